"""A storm over repositories: who works in them, and what is wrong afterwards."""
