"""What customers of the demo bank contact it about, and how often."""

from __future__ import annotations

from dataclasses import dataclass

QUEUES = ("cards", "payments", "accounts", "fraud", "digital")

DISPOSITIONS = (
    "General enquiry",
    "Card enquiry",
    "Card delivery",
    "Lost or stolen",
    "Payment enquiry",
    "Transfer enquiry",
    "Refund or dispute",
    "Fees and charges",
    "Cash machine",
    "Account maintenance",
    "App and sign-in",
    "Fraud referral",
)


@dataclass(frozen=True)
class Intent:
    """One reason for contact, named as in the vendored question set.

    Attributes
    ----------
    key : str
        Category in `data/banking77.jsonl.gz`.
    queue, disposition : str
        Where it is routed, and the wrap-up code a careful agent would choose.
    family : str
        Which agent answers of `phrases.ANSWERS` fit.
    per_day : float
        Mean contacts a day over the year had no fix shipped, repeats included.
    again : float
        Mean chance, 0..1, that one contact is followed by another about the same problem.
    summer : float
        Log amplitude of the yearly swing, highest in the first days of August.
    """

    key: str
    queue: str
    disposition: str
    family: str
    per_day: float
    again: float
    summer: float = 0.0


INTENTS: tuple[Intent, ...] = (
    # the intents that a planted fix touches
    Intent("card_arrival", "cards", "Card delivery", "delivery", 14.5, 0.22),
    Intent("card_delivery_estimate", "cards", "Card delivery", "delivery", 5.5, 0.13),
    Intent("Refund_not_showing_up", "payments", "Refund or dispute", "refund", 16.5, 0.23),
    Intent("pending_card_payment", "payments", "Payment enquiry", "pending", 13.0, 0.17),
    Intent("pending_top_up", "payments", "Payment enquiry", "top_up", 12.0, 0.18),
    Intent("card_payment_not_recognised", "fraud", "Fraud referral", "fraud", 7.0, 0.16),
    # the rest, from common to rare
    Intent("declined_card_payment", "cards", "Card enquiry", "card", 6.6, 0.16),
    Intent("passcode_forgotten", "digital", "App and sign-in", "sign_in", 5.6, 0.12),
    Intent(
        "transfer_not_received_by_recipient",
        "payments",
        "Transfer enquiry",
        "transfer",
        5.0,
        0.21,
    ),
    Intent("unable_to_verify_identity", "digital", "App and sign-in", "identity", 4.2, 0.22),
    Intent("transaction_charged_twice", "payments", "Refund or dispute", "refund", 3.8, 0.19),
    Intent("activate_my_card", "cards", "Card enquiry", "card", 3.4, 0.07),
    Intent("pin_blocked", "cards", "Card enquiry", "pin", 3.0, 0.12),
    Intent("edit_personal_details", "accounts", "Account maintenance", "details", 2.8, 0.12),
    Intent(
        "balance_not_updated_after_cheque_or_cash_deposit",
        "accounts",
        "Account maintenance",
        "deposit",
        2.6,
        0.18,
    ),
    Intent("lost_or_stolen_card", "cards", "Lost or stolen", "lost", 2.4, 0.09),
    Intent("card_payment_fee_charged", "payments", "Fees and charges", "fees", 2.2, 0.14),
    Intent("failed_transfer", "payments", "Transfer enquiry", "transfer", 2.0, 0.17),
    Intent(
        "card_payment_wrong_exchange_rate", "payments", "Fees and charges", "rate", 1.9, 0.14, 0.35
    ),
    Intent("terminate_account", "accounts", "Account maintenance", "closing", 1.8, 0.09),
    Intent("declined_cash_withdrawal", "cards", "Cash machine", "cash", 1.7, 0.15),
    Intent("cash_withdrawal_charge", "cards", "Fees and charges", "fees", 1.6, 0.12, 0.3),
    Intent("beneficiary_not_allowed", "payments", "Transfer enquiry", "transfer", 1.5, 0.17),
    Intent("apple_pay_or_google_pay", "digital", "App and sign-in", "wallet", 1.4, 0.09),
    Intent("card_about_to_expire", "cards", "Card enquiry", "expiry", 1.4, 0.08),
    Intent("lost_or_stolen_phone", "digital", "Lost or stolen", "phone", 1.3, 0.10, 0.15),
    Intent("wrong_amount_of_cash_received", "cards", "Cash machine", "cash", 1.2, 0.17),
    Intent("cancel_transfer", "payments", "Transfer enquiry", "transfer", 1.2, 0.10),
    Intent("change_pin", "cards", "Card enquiry", "pin", 1.1, 0.06),
    Intent("card_not_working", "cards", "Card enquiry", "card", 1.1, 0.16),
    Intent("card_swallowed", "cards", "Cash machine", "cash", 1.0, 0.13),
    Intent("age_limit", "accounts", "Account maintenance", "young", 0.9, 0.05),
)

INDEX: dict[str, int] = {intent.key: i for i, intent in enumerate(INTENTS)}
