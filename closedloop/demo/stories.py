"""What the working group said about each theme, found again by the theme's dominant intent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TriageStory:
    """How people named and judged one theme.

    Attributes
    ----------
    intent : str
        The theme's dominant intent.
    demand : str
        One of failure, value, unclear.
    decision : str
        One of accept, park, dismiss, leave (it stays a candidate).
    note : str
        Why it was parked or dismissed; empty otherwise.
    """

    intent: str
    name: str
    failure_scenario: str
    demand: str
    customer_values: bool
    company_values: bool
    department: str
    decision: str
    note: str = ""


TRIAGE_STORIES: tuple[TriageStory, ...] = (
    TriageStory(
        "card_arrival",
        "New card has not arrived",
        "Customers wait for a new or replacement card and contact us because nobody tells them "
        "when it was posted or when it will come.",
        "failure",
        False,
        False,
        "Card operations",
        "accept",
    ),
    TriageStory(
        "card_delivery_estimate",
        "How long a new card takes",
        "Customers who order a card are not told on which day it will come, so they ask.",
        "failure",
        False,
        False,
        "Card operations",
        "accept",
    ),
    TriageStory(
        "Refund_not_showing_up",
        "Refund promised but not visible",
        "Customers were promised a refund, cannot see it anywhere and contact us again and again "
        "until it is on their statement.",
        "failure",
        False,
        False,
        "Disputes",
        "accept",
    ),
    TriageStory(
        "pending_card_payment",
        "Card payment still pending",
        "Customers see a card payment marked “pending” for days, fear that it failed or will be "
        "taken twice, and contact us.",
        "failure",
        False,
        False,
        "Digital",
        "accept",
    ),
    TriageStory(
        "pending_top_up",
        "Top-up stays pending",
        "Customers add money to their account, see it stay pending for hours and contact us to "
        "ask whether it is lost.",
        "failure",
        False,
        False,
        "Payments",
        "accept",
    ),
    TriageStory(
        "card_payment_not_recognised",
        "Payment the customer does not recognise",
        "Customers find a payment under a name they have never seen, cannot tell whether it is "
        "fraud and contact us to find out.",
        "failure",
        True,
        False,
        "Fraud",
        "accept",
    ),
    TriageStory(
        "declined_card_payment",
        "Card declined in a shop",
        "A payment is declined at the till and the customer is not told why or what to do.",
        "failure",
        False,
        False,
        "Card operations",
        "accept",
    ),
    TriageStory(
        "passcode_forgotten",
        "Passcode forgotten",
        "Customers who forget the passcode cannot set a new one without an agent.",
        "failure",
        True,
        False,
        "Digital",
        "accept",
    ),
    TriageStory(
        "transfer_not_received_by_recipient",
        "Transfer has not reached the other person",
        "A transfer is held for a check or waits at the other bank, and neither the sender nor "
        "the recipient is told.",
        "failure",
        False,
        False,
        "Payments",
        "accept",
    ),
    TriageStory(
        "unable_to_verify_identity",
        "Identity check does not go through",
        "The photo of a document is refused without a reason, and customers try again until the "
        "app locks them out.",
        "failure",
        False,
        True,
        "Fraud",
        "accept",
    ),
    TriageStory(
        "transaction_charged_twice",
        "Charged twice for one purchase",
        "A reservation and the final payment both show in the app, and customers believe they "
        "have paid twice.",
        "failure",
        False,
        False,
        "Payments",
        "accept",
    ),
    TriageStory(
        "balance_not_updated_after_cheque_or_cash_deposit",
        "Cheque or cash deposit not in the balance",
        "Customers pay in a cheque or cash and are not told that it takes until the next working "
        "day to show.",
        "failure",
        False,
        False,
        "Cash services",
        "accept",
    ),
    TriageStory(
        "pin_blocked",
        "PIN blocked",
        "Three wrong tries block the PIN, and the customer cannot lift the block without us.",
        "failure",
        True,
        False,
        "Card operations",
        "accept",
    ),
    TriageStory(
        "card_payment_fee_charged",
        "Fee for a card payment",
        "A fee appears on the statement that the customer was not told about when paying.",
        "failure",
        False,
        False,
        "Retail products",
        "accept",
    ),
    TriageStory(
        "card_payment_wrong_exchange_rate",
        "Exchange rate differs from the one expected",
        "The app shows the rate of the moment and the statement that of the day of settlement.",
        "failure",
        False,
        False,
        "Retail products",
        "park",
        "Waits for the new foreign payments price list in July.",
    ),
    TriageStory(
        "terminate_account",
        "Customer wants to close the account",
        "Customers cannot close an account by themselves; most name something that went wrong.",
        "unclear",
        True,
        True,
        "Retail products",
        "accept",
    ),
    TriageStory(
        "edit_personal_details",
        "Change of name or address",
        "Customers can change an address in the app, but not a name or a phone number.",
        "value",
        True,
        False,
        "Digital",
        "accept",
    ),
    TriageStory(
        "lost_or_stolen_card",
        "Card lost or stolen",
        "Customers report a lost card so that we block it and send another.",
        "value",
        True,
        True,
        "Card operations",
        "accept",
    ),
    TriageStory(
        "age_limit",
        "Accounts for children",
        "Parents ask from what age a child may have an account.",
        "value",
        True,
        True,
        "Retail products",
        "dismiss",
        "Answered well by agents, and we want these calls.",
    ),
    TriageStory(
        "change_pin",
        "Change the PIN",
        "Customers look for a way to change the PIN in the app; it can be done at cash machines "
        "only.",
        "value",
        True,
        False,
        "Card operations",
        "park",
        "Too few contacts for now; look again in the autumn.",
    ),
    TriageStory(
        "activate_my_card",
        "Switch on a new card",
        "The letter with the card does not say where in the app the card is switched on.",
        "failure",
        False,
        True,
        "Card operations",
        "leave",
    ),
    TriageStory(
        "failed_transfer",
        "Transfer failed",
        "A transfer fails with a code instead of a reason the customer could act on.",
        "failure",
        False,
        False,
        "Payments",
        "leave",
    ),
    TriageStory(
        "beneficiary_not_allowed",
        "New payee is refused",
        "A payee is refused and the customer is not told which rule stopped it.",
        "failure",
        False,
        True,
        "Payments",
        "leave",
    ),
    TriageStory(
        "cash_withdrawal_charge",
        "Charge for taking out cash",
        "Customers learn of the charge for cash from the statement, not at the machine.",
        "failure",
        False,
        False,
        "Cash services",
        "leave",
    ),
    TriageStory(
        "declined_cash_withdrawal",
        "Cash machine gives no money",
        "A cash machine refuses to pay out and does not say whether card or machine is at fault.",
        "failure",
        False,
        False,
        "Cash services",
        "leave",
    ),
    TriageStory(
        "apple_pay_or_google_pay",
        "Paying with the phone",
        "Customers cannot add a card to the wallet of their phone and get no reason.",
        "failure",
        True,
        True,
        "Digital",
        "leave",
    ),
)
