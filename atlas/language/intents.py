"""What a short message wants of the session itself: yes, no, cancel, help, status, again."""

from __future__ import annotations

import re
from enum import StrEnum


class Intent(StrEnum):
    """A wish about the session."""

    YES = "yes"
    NO = "no"
    CANCEL = "cancel"
    HELP = "help"
    STATUS = "status"
    AGAIN = "again"


_POLITE = (
    r"(?:please|pls|thanks|thank you|bitte|danke|per favore|grazie|por favor|gracias|s'il (?:te|vous) plaît|merci)"
)
_YES = (
    r"yes|y|yep|yeah|yes do it|yes go ahead|approved?|i approve(?: (?:it|this(?: plan)?|the plan))?|"
    r"approve (?:it|this(?: plan)?|the plan)|go ahead|do it|apply(?: it| the plan| this)?|go for it|"
    r"looks good apply(?: it)?|sì|si|approvo|approva|procedi|ja|genehmigt|ja mach das|los|sí|apruebo|aprobado|adelante|"
    r"oui|d'accord|approuvé|j'approuve|vas-y"
)
_NO = (
    r"no|n|nope|no thanks|don'?t|do not|do not apply(?: it)?|don'?t apply(?: it)?|reject(?:ed)?|refuse(?:d)?|"
    r"not approved|deny|denied|nein|ablehnen|abgelehnt|non|rifiuto|rifiutato|rechazo|rechazado|refusé|not yet|not now"
)
_CANCEL = (
    r"cancel(?: it| this| that| everything)?|abort|stop|quit|forget it|never ?mind|annulla|abbrechen|abbruch|cancelar|"
    r"annuler|exit|bye"
)
_HELP = r"help|\?|what can you do|how does (?:this|it) work|aiuto|hilfe|ayuda|aide"
_STATUS = r"status|where are we|what is the status|what's the status|stato|estado|état|show status|what happens now"
_AGAIN = r"again|retry|try again|once more|plan again|go on|continue|resume|weiter|riprova|de nuevo|réessayer"

_TABLE = tuple(
    (intent, re.compile(rf"(?:(?:{words})(?:\s+{_POLITE})?(?:\s+|$))+"))
    for intent, words in (
        (Intent.YES, _YES),
        (Intent.NO, _NO),
        (Intent.CANCEL, _CANCEL),
        (Intent.HELP, _HELP),
        (Intent.STATUS, _STATUS),
        (Intent.AGAIN, _AGAIN),
    )
)


def read(text: str) -> Intent | None:
    """Return what a message wants of the session; None where it says anything else besides.

    Only words that mean nothing else are taken: `yes, but make it 8 GB` is no approval.
    """
    plain = re.sub(r"[\s,.!;:]+", " ", text.strip().lower().replace("\u2019", "'")).strip()
    if not plain or len(plain) > 60:
        return None
    return next((intent for intent, pattern in _TABLE if pattern.fullmatch(plain)), None)
