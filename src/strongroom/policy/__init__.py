"""Allow: the signed bundles of each organisation, kept for ever, and what they would say."""
