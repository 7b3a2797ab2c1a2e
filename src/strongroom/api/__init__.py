"""The custody API: HTTP lives here and in the console, nowhere below."""
