"""The console: pages for people, rendered here, under a strict content security policy."""

from strongroom.console.pages import install

__all__ = ["install"]
