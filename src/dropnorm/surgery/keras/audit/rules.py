"""All of Keras's rules: importing this enters them."""

from dropnorm.surgery.keras.audit import behaviour as behaviour
from dropnorm.surgery.keras.audit import outputs as outputs
from dropnorm.surgery.keras.audit import settings as settings
from dropnorm.surgery.keras.audit import state as state
from dropnorm.surgery.keras.audit import structure as structure
from dropnorm.surgery.keras.audit import training as training
from dropnorm.surgery.keras.audit.registry import RULES as RULES
