"""Northbank: its people, the fixes it shipped and the work it has open.

Dates are days, inclusive. The demo is looked at on the morning of Tuesday 12 May 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

DEPARTMENTS = (
    "Customer experience",
    "Card operations",
    "Payments",
    "Disputes",
    "Digital",
    "Fraud",
    "Retail products",
    "Cash services",
)


NET_EXCLUSIONS = ("Fraud referral", "Lost or stolen")
"""Wrap-up codes left out of net figures: the bank itself asks these customers to come back."""


@dataclass(frozen=True)
class Person:
    """Somebody who signs in.

    Attributes
    ----------
    role : str
        One of admin, cx_manager, stakeholder, executive.
    """

    name: str
    email: str
    role: str
    department: str


PEOPLE: tuple[Person, ...] = (
    Person("Marta Quill", "marta.quill@northbank.example", "admin", "Digital"),
    Person("Priya Nair", "priya.nair@northbank.example", "cx_manager", "Customer experience"),
    Person("Dan Okafor", "dan.okafor@northbank.example", "cx_manager", "Customer experience"),
    Person("Lena Marsh", "lena.marsh@northbank.example", "stakeholder", "Card operations"),
    Person("Tom Beckett", "tom.beckett@northbank.example", "stakeholder", "Payments"),
    Person("Ruth Adeyemi", "ruth.adeyemi@northbank.example", "stakeholder", "Disputes"),
    Person("Ana Petrović", "ana.petrovic@northbank.example", "stakeholder", "Digital"),
    Person("Callum Reid", "callum.reid@northbank.example", "stakeholder", "Fraud"),
    Person("Sian Howells", "sian.howells@northbank.example", "stakeholder", "Retail products"),
    Person("George Tan", "george.tan@northbank.example", "stakeholder", "Cash services"),
    Person("Helena Ward", "helena.ward@northbank.example", "executive", "Customer experience"),
)


@dataclass(frozen=True)
class Fix:
    """A fix that was shipped during the year, as the bank tells it.

    Attributes
    ----------
    key : str
        Lasting name; what the fix truly does is in `truth.EFFECTS`.
    owner : str
        Name of one of `PEOPLE`.
    strategy : str
        One of eliminate, inform, self_serve, assist.
    intents : tuple of str
        What it is meant to reduce, the theme's dominant intent first.
    agreed_on, due_on, shipped_on : date
        `shipped_on` is the first day on which customers meet the change.
    roll_out_days : int
        Days from `shipped_on`, that day included, until everybody has it.
    expected_drop, worthwhile_drop : float
        Shares, 0..1: what the owner expects, and the least that is worth having.
    """

    key: str
    title: str
    department: str
    owner: str
    failure_scenario: str
    description: str
    cause: str
    strategy: str
    intents: tuple[str, ...]
    agreed_on: date
    due_on: date
    shipped_on: date
    roll_out_days: int
    expected_drop: float
    worthwhile_drop: float


FIXES: tuple[Fix, ...] = (
    Fix(
        key="card_notices",
        title="Text and app notice when a new card is posted",
        department="Card operations",
        owner="Lena Marsh",
        failure_scenario=(
            "Customers wait for a new or replacement card and contact us because nobody tells "
            "them when it was posted or when it will come."
        ),
        description=(
            "Send a text and an app notice when the card leaves the printer, with the expected "
            "day of delivery, and a second one if it has not been used after seven days."
        ),
        cause=(
            "The card printer reports each posting to us in a nightly file, but the file is only "
            "used for invoices. Nothing reaches the customer between order and letterbox."
        ),
        strategy="inform",
        intents=("card_arrival", "card_delivery_estimate"),
        agreed_on=date(2025, 12, 9),
        due_on=date(2026, 2, 6),
        shipped_on=date(2026, 2, 3),
        roll_out_days=4,
        expected_drop=0.30,
        worthwhile_drop=0.15,
    ),
    Fix(
        key="top_up_faq",
        title="Reword the help page on pending top-ups",
        department="Payments",
        owner="Tom Beckett",
        failure_scenario=(
            "Customers add money to their account, see it stay pending for hours and contact us "
            "to ask whether it is lost."
        ),
        description=(
            "Rewrite the help page on pending top-ups in plain words, with a table of usual "
            "times, and link it from the top-up screen."
        ),
        cause=(
            "We believed that customers did not understand the help page. Top-ups from some "
            "banks are settled in batches, three times a day."
        ),
        strategy="self_serve",
        intents=("pending_top_up",),
        agreed_on=date(2026, 1, 13),
        due_on=date(2026, 2, 13),
        shipped_on=date(2026, 2, 10),
        roll_out_days=1,
        expected_drop=0.20,
        worthwhile_drop=0.10,
    ),
    Fix(
        key="pending_label",
        title="Take the “pending” label off card payments in the app",
        department="Digital",
        owner="Ana Petrović",
        failure_scenario=(
            "Customers see a card payment marked “pending” for days, fear that it failed or will "
            "be taken twice, and contact us."
        ),
        description=(
            "Show card payments in the app as one plain list. Payments that are not settled yet "
            "no longer carry the word “pending”; until they settle they show the reference of "
            "the card network."
        ),
        cause=(
            "Shops settle card payments one to five days after the purchase, and the app shows "
            "this inner state to the customer as if it were a problem."
        ),
        strategy="eliminate",
        intents=("pending_card_payment",),
        agreed_on=date(2025, 12, 2),
        due_on=date(2026, 1, 23),
        shipped_on=date(2026, 1, 27),
        roll_out_days=5,
        expected_drop=0.35,
        worthwhile_drop=0.15,
    ),
    Fix(
        key="refund_date",
        title="Show the date of a refund in the app",
        department="Disputes",
        owner="Ruth Adeyemi",
        failure_scenario=(
            "Customers were promised a refund, cannot see it anywhere and contact us again and "
            "again until it is on their statement."
        ),
        description=(
            "Show every refund in the app from the day the shop or our disputes team grants it, "
            "with the day on which the money will be there."
        ),
        cause=(
            "A granted refund is visible to the disputes team only. The customer sees it once it "
            "has been booked, five to ten days later."
        ),
        strategy="inform",
        intents=("Refund_not_showing_up",),
        agreed_on=date(2025, 12, 16),
        due_on=date(2026, 2, 27),
        shipped_on=date(2026, 2, 24),
        roll_out_days=7,
        expected_drop=0.30,
        worthwhile_drop=0.15,
    ),
)

# Told on the action once its effect is gone; the date is the day after EFFECTS says it ended.
COMEBACK_STORY = (
    "On 21 April the new dispute form went live. Cases opened with it carry no date of refund, "
    "so the app has nothing to show."
)


@dataclass(frozen=True)
class OpenAction:
    """A piece of work on a theme that has not shipped.

    Attributes
    ----------
    intent : str
        Dominant intent of the theme it belongs to.
    status : str
        One of proposed, agreed, in_progress, handed_back.
    reason : str
        Why it was handed back; empty otherwise.
    """

    key: str
    title: str
    department: str
    owner: str
    intent: str
    description: str
    strategy: str
    status: str
    agreed_on: date | None
    due_on: date | None
    expected_drop: float
    worthwhile_drop: float
    reason: str = ""


OPEN_ACTIONS: tuple[OpenAction, ...] = (
    OpenAction(
        key="transfer_tracker",
        title="Show where a transfer is, and why it is held",
        department="Payments",
        owner="Tom Beckett",
        intent="transfer_not_received_by_recipient",
        description=(
            "Show each outgoing transfer as sent, held for a check, or received by the other "
            "bank, with the time of the next step."
        ),
        strategy="inform",
        status="in_progress",
        agreed_on=date(2026, 2, 17),
        due_on=date(2026, 5, 5),  # a week overdue when the demo is opened
        expected_drop=0.25,
        worthwhile_drop=0.10,
    ),
    OpenAction(
        key="passcode_reset",
        title="Reset a forgotten passcode in the app",
        department="Digital",
        owner="Ana Petrović",
        intent="passcode_forgotten",
        description=(
            "Let customers set a new passcode by themselves after a check of face or card, "
            "instead of waiting for a code from an agent."
        ),
        strategy="self_serve",
        status="in_progress",
        agreed_on=date(2026, 3, 17),
        due_on=date(2026, 6, 12),
        expected_drop=0.50,
        worthwhile_drop=0.20,
    ),
    OpenAction(
        key="decline_reason",
        title="Say in the app why a card payment was declined",
        department="Card operations",
        owner="Lena Marsh",
        intent="declined_card_payment",
        description=(
            "Send an app notice within seconds of a declined payment that names the reason and "
            "the next step."
        ),
        strategy="inform",
        status="agreed",
        agreed_on=date(2026, 4, 28),
        due_on=date(2026, 7, 3),
        expected_drop=0.30,
        worthwhile_drop=0.15,
    ),
    OpenAction(
        key="one_identity_check",
        title="Ask for identity papers once, in one place",
        department="Fraud",
        owner="Callum Reid",
        intent="unable_to_verify_identity",
        description=(
            "Tell customers at once why a photo of a document was refused, and accept papers "
            "that another part of the bank has already seen."
        ),
        strategy="eliminate",
        status="handed_back",
        agreed_on=date(2026, 3, 3),
        due_on=date(2026, 5, 22),
        expected_drop=0.30,
        worthwhile_drop=0.15,
        reason=(
            "The photo check belongs to a supplier. Its contract is with Digital, and we cannot "
            "change what it tells the customer."
        ),
    ),
    OpenAction(
        key="cheque_times",
        title="Say when a cheque or cash deposit will be in the account",
        department="Cash services",
        owner="George Tan",
        intent="balance_not_updated_after_cheque_or_cash_deposit",
        description="Print the day on the deposit slip and show the deposit in the app at once.",
        strategy="inform",
        status="proposed",
        agreed_on=None,
        due_on=None,
        expected_drop=0.30,
        worthwhile_drop=0.15,
    ),
)
