"""The wheel, the source distribution and the Debian package."""
