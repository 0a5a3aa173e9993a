"""Words in host names: for customers' lines, for rented machines, and for mail.

Providers write them in several languages and glue them together (`dynamicip`, `internetdsl`).
"""

import re

_RUN = re.compile(r"[a-z]+")

LINE_WORDS = frozenset(
    """abo abonent adsl bband broadband bsb cable catv cgn cgnat cpe dhcp dial dialin dialup din dinamic
    dinamica dinamico dip dsl dyn dynamic dynamik dynip epon fiber fios fibra fibre ftth fttb fttx gepon
    gpon home hotspot hsd hsi internetdsl ipoe kabel lte mobil mobile modem nat neoplus pool pools ppp
    pppoe ras res resid residential resnet retail roaming sdsl subs subscriber umts user users usuario
    vdsl wifi wimax wireless wlan xdsl""".split()  # noqa: SIM905  # a table of words reads better as one
)
_LINE_PARTS = ("adsl", "broadband", "dhcp", "dialup", "dinamic", "dynamic", "ftth", "pppoe", "vdsl", "xdsl")
STATIC_WORDS = frozenset(
    """biz business colo dedicated estatica estatico fix fixed fixip fixo sta stat static staticip statik
    statique""".split()  # noqa: SIM905  # a table of words reads better as one
)
HOST_WORDS = frozenset(
    """client cliente clientes clients compute cust customer customers host hosted hosting hosts ip ips
    kunde kunden ptr rev reverse unassigned undef unused vps""".split()  # noqa: SIM905  # a table of words reads better as one
)
MADE_UP_WORDS = frozenset(
    """box cloud ded dedi dedicated droplet host hosted hwsrv instance ip ks kvm node ns serv server srv
    svr vds vm vmd vmi vps vserver xen""".split()  # noqa: SIM905  # a table of words reads better as one
)
PLACEHOLDERS = frozenset(
    """default generic hosted-by no-ptr no-rdns no-reverse no-reverse-yet noptr nordns notset undef
    undefined unassigned unknown unused""".split()  # noqa: SIM905  # a table of words reads better as one
)
_MAIL_WORDS = frozenset(
    """bounce bounces delivery edm em emsg esp exch exchange exim imap list lists listserv mda mls mm mta
    mtaout mtas mx mxa mxb mxout news notification notifications notify obe oln out outgoing owa pmta
    post relay relays send sender senders ses smx zimbra""".split()  # noqa: SIM905  # a table of words reads better as one
)
_MAIL_PARTS = ("mail", "smtp", "mxout", "newsletter", "outbound", "sendgrid")
_MAX_RUNS = 64


def words_of(host: str) -> set[str]:
    """The runs of letters in `host` (lower case)."""
    return set(_RUN.findall(host)[:_MAX_RUNS])


def line_words(words: set[str]) -> list[str]:
    """Those that say that the address is handed to a customer's line, in order."""
    glued = {word for word in words if any(part in word for part in _LINE_PARTS)}
    return sorted((words & LINE_WORDS) | glued)


def has_mail_word(words: set[str], owner: str = "") -> bool:
    """Whether one of the words is for mail, or the owner's domain says that it sends mail."""
    if words & _MAIL_WORDS:
        return True
    return any(part in word for word in (*words, owner) for part in _MAIL_PARTS)
