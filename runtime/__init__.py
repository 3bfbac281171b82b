"""The contract's server side: mount it in any FastAPI app. Imports nothing of the rest of this repository."""

from runtime.contract import Contract, mount
from runtime.dependency import Dependency, is_ready
from runtime.token import TokenPolicy

__all__ = ["Contract", "Dependency", "TokenPolicy", "is_ready", "mount"]
