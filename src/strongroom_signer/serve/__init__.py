"""The running signer: socket, dispatch, health. One request at a time, one thread for the token."""
