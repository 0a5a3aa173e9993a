"""Large providers of mail: who greets as one of them has a reverse name of theirs.

Keys are organizational domains in HELO, values those of the verified names that their servers have.
Providers whose servers greet with their customers' names are no matter: only what the HELO claims is.
"""

_GROUPS: tuple[tuple[str, str], ...] = (
    # domains that may not be claimed; more domains of the verified names of these servers
    ("google.com gmail.com googlemail.com", "1e100.net googleusercontent.com"),
    ("outlook.com hotmail.com live.com msn.com microsoft.com office365.com office.com", "azure.com"),
    ("yahoo.com ymail.com aol.com yahoo.co.jp yahoo.co.uk rocketmail.com", "yahoodns.net yahoo.net"),
    ("apple.com icloud.com me.com mac.com", ""),
    ("facebook.com facebookmail.com instagram.com whatsapp.com meta.com", "fb.com tfbnw.net"),
    ("amazon.com amazonses.com amazon.co.jp amazon.co.uk amazon.de", "amazonaws.com"),
    ("qq.com foxmail.com tencent.com", "qcloud.com myqcloud.com"),
    ("163.com 126.com yeah.net netease.com", "188.com icoremail.net"),
    ("gmx.net gmx.de gmx.com web.de mail.com 1und1.de", "kundenserver.de ui-dns.com 1and1.com ionos.com"),
    ("t-online.de telekom.de", "t-ipnet.de telekom.net"),
    ("mail.ru bk.ru list.ru inbox.ru", "vk.com mradx.net"),
    ("yandex.ru yandex.net yandex.com ya.ru", ""),
    ("orange.fr wanadoo.fr", "orange.net opentransit.net"),
    ("free.fr", "proxad.net"),
    ("comcast.net", "comcast.com xfinity.com"),
    ("zoho.com zoho.eu", "zohomail.com zcsend.net zohocorp.com"),
    ("protonmail.ch proton.me protonmail.com", ""),
    ("linkedin.com", ""),
    ("paypal.com", "paypalcorp.com"),
    ("naver.com daum.net hanmail.net", "navercorp.com kakao.com"),
)

CLAIMABLE: dict[str, frozenset[str]] = {
    domain: frozenset((*claimed.split(), *more.split()))
    for claimed, more in _GROUPS
    for domain in claimed.split()
}
