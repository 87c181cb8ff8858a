"""What the controller must not lose: tables in a database, blobs in files."""

from controller.store.blobs import BlobStore
from controller.store.database import Store

__all__ = ["BlobStore", "Store"]
