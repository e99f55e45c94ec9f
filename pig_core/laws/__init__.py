"""Laws of motion, a class each. A new one is a subclass of :class:`pig_core.physics.Law`, here or in a notebook."""

from ..physics import Law
from .bouncing import Bouncing
from .gravity import Gravity
from .spring import Spring

__all__ = ["LAWS", "Bouncing", "Gravity", "Spring"]

LAWS: dict[str, type[Law]] = {law.__name__.lower(): law for law in Law.__subclasses__()}  # those imported above
