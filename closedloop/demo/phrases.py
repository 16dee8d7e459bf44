"""Words around the customer's own: greetings, checks, answers and farewells.

Fields in braces are filled by `transcripts.render_turns`. Everything is invented.
"""

from __future__ import annotations

# -- how a contact opens ------------------------------------------------------------------------

PHONE_GREETINGS = (
    "Good {daypart}, Northbank, you're speaking with {agent}. How can I help?",
    "Thank you for calling Northbank. My name is {agent}, what can I do for you today?",
    "Northbank, {agent} speaking. How may I help you?",
    "Hello and welcome to Northbank, this is {agent}. What is your call about?",
    "Good {daypart}, thanks for holding. {agent} at Northbank here, how can I help?",
    "You're through to {agent} at Northbank. What can I help you with?",
)
CHAT_GREETINGS = (
    "Hi, you're chatting with {agent} from Northbank. What can I do for you?",
    "Hello! {agent} here. How can I help you today?",
    "Good {daypart}, thanks for waiting. I'm {agent}. What is it about?",
    "Welcome to Northbank chat, my name is {agent}. How can I help?",
    "Hi there, {agent} here, sorry for the wait. What brings you to us?",
)
CUSTOMER_HELLOS = {
    "phone": ("Hello.", "Hi, good {daypart}.", "Hello, yes.", "Hi there.", "Good {daypart}."),
    "chat": ("hi", "Hello", "hey", "Hi there", "Hello, anyone there?", "good {daypart}"),
    "message": (
        "Hello,",
        "Dear Northbank,",
        "Good {daypart},",
        "Hi,",
        "To whom it may concern,",
        "Dear customer service,",
    ),
}

# -- how a customer says that this is not the first time -----------------------------------------

AGAIN = (
    "I {verb} you about this {when} and nothing has happened.",
    "This is about the same thing as {when}. It still isn't sorted.",
    "I already {verb} you {when}. I was told to wait, and I have waited.",
    "I {verb} {when} and was promised it would be looked into.",
    "Same problem again, I {verb} you {when}.",
    "I'm back about what I asked {when}, because it hasn't changed.",
    "You said {when} it would be fixed. It isn't.",
    "I shouldn't have to contact you again after I {verb} {when}.",
)
AGAIN_OFTEN = (
    "This is the {times} time I'm asking about this.",
    "I have now contacted you {times_before} times about the same thing.",
    "For the {times} time, and I explain it from the start each time.",
    "Please read my earlier contacts first, this is number {number}.",
)
VERBS = {"phone": "called", "chat": "chatted with", "message": "wrote to"}
TIMES = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh")
TIMES_BEFORE = ("", "", "two", "three", "four", "five", "six", "seven")

# -- identity checks -----------------------------------------------------------------------------

CHECKS = (
    (
        "Before I look, could I have two letters of your passphrase, please?",
        ("Yes, an M and a T.", "R and then O.", "It's E and K.", "Sure: A and N."),
    ),
    (
        "I've sent a request to your app. Could you approve it for me?",
        ("Done.", "Approved.", "Yes, I've tapped it.", "OK, it says confirmed.", "Just did."),
    ),
    (
        "Can you tell me the month you opened the account?",
        ("I think it was in March.", "September, years ago.", "January.", "Sometime in June."),
    ),
    (
        "To make sure it's you: which of our branches is the nearest to you?",
        ("The one by the station.", "The high street one.", "Market Square.", "None any more!"),
    ),
    (
        "Just a quick check first, do you hold any other product with us?",
        (
            "A savings account.",
            "Only the current account.",
            "Yes, a credit card.",
            "No, just this.",
        ),
    ),
)
# What the agent asks for, by kind of personal data given in the answer.
PRIVATE_CHECKS = {
    "e-mail": (
        "Which e-mail address do we have for you?",
        "Could you confirm your e-mail, please?",
        "What e-mail do you use with us?",
    ),
    "phone": (
        "What is the best number to reach you on?",
        "Could you confirm the mobile number on the account?",
        "Can I take a number in case we are cut off?",
    ),
    "card": (
        "Which card is it about?",
        "Could you read me the long number on the card?",
        "Can you give me the card number, please?",
    ),
    "iban": (
        "Which account is it about?",
        "Could you give me the IBAN of the account?",
        "What's the account, please?",
    ),
    "account": (
        "Could I have sort code and account number?",
        "Which account do you hold with us?",
        "May I take your account details?",
    ),
}
PRIVATE_ANSWERS = {
    "e-mail": ("It's {value}.", "{value}", "You should have {value} on file."),
    "phone": ("{value}", "My number is {value}.", "You can reach me on {value}."),
    "card": ("{value}", "The card is {value}.", "It says {value} on the front."),
    "iban": ("{value}", "My IBAN is {value}.", "It's the account {value}."),
    "account": ("{value}", "That would be {value}.", "It's {value}."),
}

# -- what the agent says, by intent family -------------------------------------------------------

APOLOGIES = (
    "I'm sorry about that. {answer}",
    "Thank you for telling me. {answer}",
    "I understand, that's annoying. {answer}",
    "Let me have a look. {answer}",
    "Right, I can see that here. {answer}",
    "Bear with me a moment. {answer}",
    "{answer}",
)
APOLOGIES_AGAIN = (
    "I'm sorry you had to come back to us. {answer}",
    "I can see your earlier contact in the notes, and I apologise. {answer}",
    "You're right, this should have been settled last time. {answer}",
    "I'm sorry, I'll pass it on as urgent this time. {answer}",
)
ANSWERS = {
    "delivery": (
        "It left us by ordinary post, which takes five to seven working days. I can't follow it "
        "from here.",
        "The order is in the system, but I can't see whether it has been printed yet.",
        "Please give it until the end of the week. After that we can order another one.",
        "I've checked the address and it is right, so it should be with you soon.",
        "I can order a replacement, or we wait two more days. Which would you prefer?",
    ),
    "refund": (
        "The money has been granted, but I can't see on which day it will be booked.",
        "It's with our disputes team. They usually need up to ten working days.",
        "The shop has to send it first. From then on it is about five days.",
        "I've asked the team to look at it and to write to you.",
        "I can see the case, and it's still open. I'll add a note that you asked.",
    ),
    "pending": (
        "The shop hasn't collected it yet. It settles by itself within five days.",
        "That's normal for some shops, and you won't be charged twice.",
        "I can't push it through from here, it is up to the merchant's bank.",
        "If it isn't settled after seven days it drops out and the amount is free again.",
        "The amount is only reserved for now. It'll change once the shop sends it.",
    ),
    "top_up": (
        "The sending bank releases these in batches, so it can take until this evening.",
        "It has arrived with us and is waiting for a check. That's usually a few hours.",
        "I can't speed it up, but the money isn't lost.",
        "Please wait until tomorrow, and send us the receipt if it still isn't there.",
        "I see it on its way, and it's released automatically.",
    ),
    "fraud": (
        "Some shops use the name of their parent company. I can look up the merchant for you.",
        "I've blocked the card to be safe and opened a case with the fraud team.",
        "Did anybody else in the household use it? If not, I'll raise a dispute.",
        "I'll send you a form. Once it's back, the team decides within ten days.",
        "The reference belongs to a payment company, and I can't see which shop is behind it.",
    ),
    "card": (
        "I can't see a block here. Could you try once more with chip and code?",
        "Our system stopped it as a precaution. I've lifted that now.",
        "Please open the app, choose Cards and follow the steps there.",
        "I've reset it from here. It may take an hour to work everywhere.",
        "It looks like a problem on the merchant's side, but I'll note it.",
    ),
    "sign_in": (
        "I've sent a link to reset it, which is valid for fifteen minutes.",
        "For that I have to ask a few more questions, and then you can set a new one.",
        "Please uninstall the app, install it again and choose Forgotten.",
        "I've unlocked it, so please try again in ten minutes.",
    ),
    "transfer": (
        "It's held for a routine check, and I can't say how long that takes.",
        "It left us yesterday. Please ask the recipient to contact their bank.",
        "The other bank sent it back without a reason. You could try again.",
        "I've asked the payments team, and they'll come back to you in two days.",
        "There is a limit on new payees for the first day, which may be the reason.",
    ),
    "identity": (
        "The photo wasn't sharp enough. Please take it again in daylight.",
        "I can't see why it was refused, as the check is done by a supplier.",
        "I've started it afresh. Please use your passport if you have one.",
        "You can also bring the papers to a branch.",
    ),
    "pin": (
        "You can lift that at one of our cash machines under PIN services.",
        "I'll send a reminder by post, which takes three to five days.",
        "For security I can't do that by phone or chat, only a cash machine can.",
        "It can be changed at any of our machines, not in the app yet.",
    ),
    "details": (
        "I've changed that for you. It shows in the app from tomorrow.",
        "For that we need a document. You can upload it under Profile.",
        "The change is in, but the card system takes it over overnight.",
        "You can do that yourself in the app, under Profile and Details.",
    ),
    "deposit": (
        "What's paid in after three o'clock shows on the next working day.",
        "It takes up to two working days. I can't see it before then.",
        "Please keep the slip. If it isn't there tomorrow we'll search for it.",
        "The branch hasn't sent it on yet. I'll ask them.",
    ),
    "lost": (
        "I've blocked it straight away, and a new one is ordered.",
        "It's blocked now. Were there any payments that weren't yours?",
        "You can freeze it in the app until you're sure it's gone.",
        "The replacement takes five to seven working days.",
    ),
    "fees": (
        "That is our charge for this kind of use. It's in the price list.",
        "I can take it off this once as a gesture.",
        "Not all of it is ours, the machine or the shop may add its own.",
        "It depends on your account type. I'll send you the list.",
    ),
    "rate": (
        "The rate is the one of the day on which the payment was settled.",
        "The shop converted it by itself, so our rate did not apply.",
        "I'll ask for a check, which takes about a week.",
        "At weekends a margin is added to the rate.",
    ),
    "closing": (
        "I'm sorry to hear that. May I ask what went wrong?",
        "I'll send you the form. The balance has to be at zero first.",
        "It takes about ten days once we have your signature.",
        "Before I do that: is there anything we could put right?",
    ),
    "cash": (
        "I'm sorry. Please tell me the place and the time, and I'll report the machine.",
        "We'll check the count of the machine, which takes up to five days.",
        "The machine belongs to another bank, so we have to ask them.",
        "I can't see the cause from here. Could you try another machine?",
    ),
    "wallet": (
        "Please remove it from the wallet and add it again.",
        "It works with most recent phones. Which model is it?",
        "We have to send you a code first, I've just asked for it.",
        "I'll reset it on our side, so please try again in an hour.",
    ),
    "expiry": (
        "The new one is sent three weeks before the date on the front.",
        "You needn't do anything, it comes by itself.",
        "You can keep using the old one until the last day of the month.",
        "I've checked the address, and it'll go out next week.",
    ),
    "phone": (
        "I've signed that device out, so nobody can use it to reach your money.",
        "Please sign in on another device, then the old one is removed.",
        "It's locked now. Tell us once you have a new number.",
        "I've taken it off the list of trusted devices.",
    ),
    "young": (
        "From eleven years on, with a parent's consent.",
        "There is a children's account that you open from your own app.",
        "Both of you need to show a document once.",
        "From eighteen on it becomes an ordinary account.",
    ),
}

# -- how a contact ends --------------------------------------------------------------------------

ACKNOWLEDGEMENTS = (
    "OK, thank you.",
    "Right, I see.",
    "Fine, I'll do that.",
    "Alright then.",
    "OK.",
    "Thanks for looking.",
    "Hm, okay. Thanks.",
    "Understood.",
)
GRUMBLES = (
    "That's what I was told last time.",
    "Fine, but I hope it's the last time.",
    "Well, I'm not happy about it.",
    "OK, I'll believe it when I see it.",
    "And who do I turn to if it isn't?",
)
ELSE = (
    "Is there anything else I can do for you?",
    "Anything else today?",
    "Can I help with anything else?",
    "Was that everything for today?",
)
NOTHING_ELSE = ("No, that's all.", "No thanks.", "That's it, thank you.", "No, bye.", "nope, ta")
FAREWELLS = (
    "Thank you for contacting Northbank. Have a good {daypart}.",
    "Thanks, and goodbye.",
    "Take care, bye now.",
    "Thank you for your patience. Goodbye.",
    "All the best from Northbank.",
    "Have a lovely {daypart}.",
)
LETTER_OPENINGS = (
    "Thank you for your message. {answer}",
    "Thanks for getting in touch. {answer}",
    "Thank you for writing to Northbank. {answer}",
    "I've read your message. {answer}",
)
LETTER_CLOSINGS = (
    "Kind regards, {agent}, Northbank",
    "Best wishes, {agent} at Northbank",
    "Yours sincerely, {agent}, Northbank secure messages",
    "Regards, {agent}",
)
LETTER_THANKS = (
    "Thank you for the quick reply.",
    "Thanks, I'll wait then.",
    "Thank you, noted.",
    "OK, thanks.",
)

# -- people and addresses, all invented ----------------------------------------------------------

AGENTS = (
    "Marcus", "Jodie", "Imran", "Bethan", "Oliver", "Shanice", "Pawel", "Grace", "Hamish", "Leila",
    "Connor", "Meera", "Tariq", "Freya", "Joseph", "Nadia", "Ewan", "Chloe", "Victor", "Amara",
    "Rhys", "Sunita", "Declan", "Isla", "Femi", "Holly", "Andre", "Zara", "Gareth", "Mina",
    "Stefan", "Abigail", "Kofi", "Erin", "Yusuf", "Poppy", "Luca", "Tessa", "Niall", "Dina",
)  # fmt: skip
FIRST_NAMES = (
    "helen", "peter", "aisha", "owen", "claire", "samir", "judith", "mike", "priti", "ronan",
    "alice", "ben", "carys", "dev", "elsie", "frank", "gwen", "harun", "ida", "jack",
)  # fmt: skip
LAST_NAMES = (
    "marlow", "thwaite", "begum", "pryce", "hollins", "aziz", "crane", "dunmore", "shah", "keane",
    "wick", "farrow", "llewin", "mistry", "oakes", "penrose", "quist", "rowe", "sandal", "tull",
)  # fmt: skip
MAIL_HOSTS = ("example.com", "example.org", "example.net", "mail.example", "post.example")
