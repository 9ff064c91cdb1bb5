"""From an ini file to frozen, validated settings."""
