"""Does an encoder see that the same was said in another language? Eight statements in thirteen."""

from __future__ import annotations

from ml.text.encoding import Encoder

UNDERSTOOD = 7
"""Statements of eight, from which a language counts as understood."""

STATEMENTS: dict[str, tuple[str, ...]] = {
    "en": (
        "My parcel has not arrived yet.",
        "I want my money back for this order.",
        "I forgot my password and cannot log in.",
        "The bill is higher than I expected.",
        "I would like to cancel my contract.",
        "My internet has not worked since yesterday.",
        "My bank card was stolen.",
        "I want to change my address.",
    ),
    "de": (
        "Mein Paket ist noch nicht angekommen.",
        "Ich möchte mein Geld für diese Bestellung zurück.",
        "Ich habe mein Passwort vergessen und kann mich nicht anmelden.",
        "Die Rechnung ist höher als erwartet.",
        "Ich möchte meinen Vertrag kündigen.",
        "Mein Internet funktioniert seit gestern nicht.",
        "Meine Bankkarte wurde gestohlen.",
        "Ich möchte meine Adresse ändern.",
    ),
    "es": (
        "Mi paquete todavía no ha llegado.",
        "Quiero que me devuelvan el dinero de este pedido.",
        "He olvidado mi contraseña y no puedo entrar.",
        "La factura es más alta de lo que esperaba.",
        "Quisiera cancelar mi contrato.",
        "Mi internet no funciona desde ayer.",
        "Me han robado la tarjeta del banco.",
        "Quiero cambiar mi dirección.",
    ),
    "fr": (
        "Mon colis n'est pas encore arrivé.",
        "Je veux être remboursé pour cette commande.",
        "J'ai oublié mon mot de passe et je ne peux pas me connecter.",
        "La facture est plus élevée que prévu.",
        "Je voudrais résilier mon contrat.",
        "Mon internet ne marche plus depuis hier.",
        "On m'a volé ma carte bancaire.",
        "Je veux changer mon adresse.",
    ),
    "id": (
        "Paket saya belum sampai.",
        "Saya ingin uang saya kembali untuk pesanan ini.",
        "Saya lupa kata sandi dan tidak bisa masuk.",
        "Tagihannya lebih tinggi dari yang saya kira.",
        "Saya ingin membatalkan kontrak saya.",
        "Internet saya tidak berfungsi sejak kemarin.",
        "Kartu bank saya dicuri.",
        "Saya ingin mengubah alamat saya.",
    ),
    "it": (
        "Il mio pacco non è ancora arrivato.",
        "Voglio il rimborso di questo ordine.",
        "Ho dimenticato la password e non riesco ad accedere.",
        "La bolletta è più alta del previsto.",
        "Vorrei disdire il mio contratto.",
        "Internet non funziona da ieri.",
        "Mi hanno rubato la carta di credito.",
        "Voglio cambiare il mio indirizzo.",
    ),
    "lt": (
        "Mano siunta dar neatėjo.",
        "Noriu atgauti pinigus už šį užsakymą.",
        "Pamiršau slaptažodį ir negaliu prisijungti.",
        "Sąskaita didesnė, nei tikėjausi.",
        "Norėčiau nutraukti sutartį.",
        "Nuo vakar neveikia internetas.",
        "Pavogė mano banko kortelę.",
        "Noriu pakeisti savo adresą.",
    ),
    "nl": (
        "Mijn pakket is nog niet aangekomen.",
        "Ik wil mijn geld terug voor deze bestelling.",
        "Ik ben mijn wachtwoord vergeten en kan niet inloggen.",
        "De rekening is hoger dan ik had verwacht.",
        "Ik wil mijn contract opzeggen.",
        "Mijn internet doet het sinds gisteren niet.",
        "Mijn bankpas is gestolen.",
        "Ik wil mijn adres wijzigen.",
    ),
    "pl": (
        "Moja paczka jeszcze nie dotarła.",
        "Chcę zwrotu pieniędzy za to zamówienie.",
        "Zapomniałem hasła i nie mogę się zalogować.",
        "Rachunek jest wyższy, niż się spodziewałem.",
        "Chciałbym rozwiązać umowę.",
        "Od wczoraj nie działa mi internet.",
        "Skradziono mi kartę bankową.",
        "Chcę zmienić swój adres.",
    ),
    "pt": (
        "A minha encomenda ainda não chegou.",
        "Quero o meu dinheiro de volta por este pedido.",
        "Esqueci a minha senha e não consigo entrar.",
        "A fatura é mais alta do que eu esperava.",
        "Gostaria de cancelar o meu contrato.",
        "A minha internet não funciona desde ontem.",
        "Roubaram o meu cartão do banco.",
        "Quero mudar o meu endereço.",
    ),
    "sv": (
        "Mitt paket har inte kommit än.",
        "Jag vill ha tillbaka pengarna för den här beställningen.",
        "Jag har glömt mitt lösenord och kan inte logga in.",
        "Räkningen är högre än jag väntade mig.",
        "Jag vill säga upp mitt avtal.",
        "Mitt internet har inte fungerat sedan i går.",
        "Mitt bankkort har blivit stulet.",
        "Jag vill ändra min adress.",
    ),
    "tr": (
        "Paketim henüz gelmedi.",
        "Bu sipariş için paramı geri istiyorum.",
        "Şifremi unuttum ve giriş yapamıyorum.",
        "Fatura beklediğimden yüksek.",
        "Sözleşmemi iptal etmek istiyorum.",
        "İnternetim dünden beri çalışmıyor.",
        "Banka kartım çalındı.",
        "Adresimi değiştirmek istiyorum.",
    ),
    "zh": (
        "我的包裹还没有到。",
        "我想要这个订单的退款。",
        "我忘记了密码，无法登录。",
        "账单比我预期的高。",
        "我想取消我的合同。",
        "我的网络从昨天起就不能用了。",
        "我的银行卡被偷了。",
        "我想更改我的地址。",
    ),
}
"""ISO 639-1 code to the same statements, in the same order."""


def count_understood(encoder: Encoder) -> dict[str, int]:
    """Return how many of the statements in each language are nearest to their English one.

    Returns
    -------
    dict
        Language but English to 0 to 8. By chance it is one.
    """
    english = encoder.encode(STATEMENTS["en"])
    found = {}
    for language, statements in STATEMENTS.items():
        if language != "en":
            nearest = (encoder.encode(statements) @ english.T).argmax(axis=1)
            found[language] = sum(int(row) == place for place, row in enumerate(nearest.tolist()))
    return found


def is_multilingual(encoder: Encoder) -> bool:
    """Whether an encoder understands at least half of the languages; tried once for each name."""
    if encoder.name not in _is_multilingual:
        found = count_understood(encoder)
        n_understood = sum(n >= UNDERSTOOD for n in found.values())
        _is_multilingual[encoder.name] = 2 * n_understood >= len(found)
    return _is_multilingual[encoder.name]


_is_multilingual: dict[str, bool] = {}
