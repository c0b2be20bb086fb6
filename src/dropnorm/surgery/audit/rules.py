"""All rules: importing this enters them."""

from dropnorm.surgery.audit import behaviour as behaviour
from dropnorm.surgery.audit import history as history
from dropnorm.surgery.audit import settings as settings
from dropnorm.surgery.audit import state as state
from dropnorm.surgery.audit import structure as structure
from dropnorm.surgery.audit import training as training
from dropnorm.surgery.audit.registry import RULES as RULES
