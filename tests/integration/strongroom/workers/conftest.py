from tests.factories.books import books, connect

__all__ = ["books", "connect"]
