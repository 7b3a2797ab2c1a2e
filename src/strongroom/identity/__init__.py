"""Who may call the API. Whose signature counts is said by the signed policy bundle alone."""
