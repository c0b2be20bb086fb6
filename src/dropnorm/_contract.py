"""Leaf: the numbers of the mask contract, which `dropnorm.random` explains; every backend takes them from here."""

from dropnorm._validate import Whole, probability
from dropnorm.errors import ArgumentError

MASK_ROUNDS = 7
KEY_ROUNDS = 10
TILE_COLUMNS = 128
TILE_BLOCKS = 16
TIE_SITE = 1 << 31
PHILOX_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
PHILOX_WEYL = (0x9E3779B9, 0xBB67AE85)


def threshold(p: float) -> int:
    """The 32-bit threshold of a drop probability: round(p * 2**32), from 0 (never) to 2**32 (always)."""
    return round(probability(p) * 2**32)


def checked_site(site: int) -> int:
    """Return `site` if a mask may have it: the top bit is kept for settling ties."""
    if type(site) is not int:
        site = Whole(0).check(site, "site")
    if not 0 <= site < TIE_SITE:
        raise ArgumentError(
            f"site={site} is out of range: expected 0 <= site < 2**31. Number the dropouts that share a key from 0."
        )
    return site
