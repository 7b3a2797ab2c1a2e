"""Who owns which address: accounts from the ceremony, addresses given out, what is watched."""
