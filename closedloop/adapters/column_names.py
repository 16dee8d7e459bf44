"""What exports call the columns we know, to guess a mapping from."""

from __future__ import annotations

SYNONYMS: dict[str, tuple[str, ...]] = {
    "contact_id": (
        *("contact_id", "complaint_id", "tweet_id", "ticket_id", "incident_id", "case_id"),
        *("conversation_id", "interaction_id", "call_id", "chat_id", "message_id", "session_id"),
        *("case_number", "ticket_number", "incident_number", "issue_key", "number", "ticket"),
        *("id", "uuid"),
    ),
    "started_at": (
        *("started_at", "start_time", "created_at", "opened_at", "date_received", "received_at"),
        *("created", "created_date", "opened", "creation_time", "conversation_start", "timestamp"),
        *("created_on", "create_date", "date_created", "created_time", "date_time_opened"),
        *("call_start_time", "call_start", "contact_start_time", "start_date_time"),
        *("date_time", "datetime", "call_time", "call_date", "start", "date", "time", "when"),
    ),
    "customer_id": (
        *("customer_id", "customer", "author_id", "caller_id", "requester_id", "requester"),
        *("client_id", "account_id", "member_id", "user_id", "end_user_id", "contact_person_id"),
        *("external_contact_id", "ani", "caller", "client", "cust_id", "cust"),
    ),
    "channel": (
        *("channel", "contact_type", "submitted_via", "via", "media_type", "contact_channel"),
        *("medium", "source_channel", "chan"),
    ),
    "queue": (
        *("queue", "queue_name", "skill", "skill_name", "assignment_group", "group"),
        "department",
    ),
    "agent": ("agent", "agent_id", "agent_name", "assignee", "assignee_id", "assigned_to"),
    "disposition": (
        *("disposition", "disposition_code", "wrap_up_code", "wrapup_code", "wrap_up", "outcome"),
        *("closed_code", "close_code", "reason", "contact_reason", "issue", "category"),
        *("subcategory", "topic", "product"),
    ),
    "text": (
        *("text", "consumer_complaint_narrative", "narrative", "complaint_narrative"),
        *("transcript", "description", "message", "body", "comment", "comments", "content"),
        *("notes", "utterance", "verbatim", "what_was_said", "short_description", "subject"),
    ),
    "turns": ("turns", "messages", "utterances", "dialogue", "conversation"),
    "speaker": ("speaker", "role", "participant_role", "sender_type", "author_type"),
    "handle_seconds": (
        *("handle_seconds", "handle_time", "handle_time_seconds", "aht", "duration_seconds"),
        *("talk_time", "call_duration", "duration"),
    ),
    "csat": ("csat", "csat_score", "satisfaction", "satisfaction_score", "rating"),
    "team": ("team", "team_name", "agent_team", "agent_group", "assignee_team"),
    "language": ("language", "language_code", "lang", "locale"),
    "wait_seconds": (
        *("wait_seconds", "wait_time", "wait_time_seconds", "queue_time", "queue_seconds"),
        *("time_in_queue", "waiting_time", "hold_in_queue", "speed_of_answer", "answer_time"),
        "queue_wait_time",
    ),
    "abandoned": ("abandoned", "is_abandoned", "abandon", "abandoned_flag", "abandoned_in_queue"),
    "transfers": ("transfers", "transfer_count", "number_of_transfers", "n_transfers"),
    "resolved": ("resolved", "is_resolved", "resolved_flag", "solved", "is_solved"),
    "survey_resolved": (
        *("survey_resolved", "fcr_survey", "customer_resolved", "issue_resolved"),
        *("was_your_issue_resolved", "resolved_survey"),
    ),
    "nps": ("nps", "nps_score", "likelihood_to_recommend", "net_promoter_score"),
    "ces": ("ces", "ces_score", "customer_effort", "customer_effort_score", "effort_score"),
    "follows_contact_id": (
        *(
            "follows_contact_id",
            "follow_up_of",
            "followup_of",
            "merged_into",
            "original_contact_id",
        ),
        *("previous_contact_id", "parent_contact_id"),
    ),
}
"""In the order of trust: the first synonym found in the header wins."""

CASE_IDS = (
    *("ticket_id", "case_id", "incident_id", "case_number", "ticket_number", "incident_number"),
    *("issue_key", "ticket"),
)
"""Ids of what a help desk keeps, beside which its `contact_id` is a person."""

IDENTIFIER_SYNONYMS: dict[str, tuple[str, ...]] = {
    "account": ("customer_account", "account_number", "customer_number", "account_no"),
    "email": (
        *("customer_email", "requester_email", "caller_email", "contact_email", "client_email"),
        *("customer_e_mail", "supplied_email", "visitor_email"),
    ),
    "phone": (
        *("customer_phone", "customer_phone_number", "caller_number", "calling_number"),
        *("contact_phone", "requester_phone", "supplied_phone", "msisdn", "caller_phone"),
    ),
}
"""Only names that can be the customer's: a plain `email` may be the agent's."""

INBOUND_FLAGS = ("inbound", "is_inbound")
"""Columns that say yes where a customer came."""

DIRECTIONS = (
    *("direction", "call_direction", "originating_direction", "contact_direction"),
    *("message_direction", "interaction_direction", "initial_direction", "call_type"),
)
"""Columns that say which way a contact went."""

OUTBOUND_WORDS = {"outbound": "inbound", "outgoing": "incoming", "out": "in"}
NO_WORDS = {"false": "true", "no": "yes", "0": "1", "n": "y", "f": "t", "0.0": "1.0"}
"""What is written of a row that is not from a customer, and of one that is."""

TIMES_OF_DAY = (
    *("time", "start_time", "started_time", "call_time", "contact_time", "created_time"),
    *("opened_time", "received_time", "time_received", "time_of_day", "time_of_call"),
    *("arrival_time", "creation_time", "uhrzeit", "heure", "hora"),
)
"""Columns that may hold the time of day beside a date; others may hold how long something took."""
