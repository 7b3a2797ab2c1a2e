"""Orders on any rail. So far: fiat credited by two people, and transfers between own accounts."""
