"""Out to the chain: every transaction of ours, stored before it is sent, one nonce an intent."""
