"""The grammar of facts: patterns over concepts, and what makes facts of what they match; the first that fits wins."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atlas.language import diskfacts as d
from atlas.language import facts as f
from atlas.language import netfacts as n
from atlas.language import relative
from atlas.language.facts import ANYWORD, NAMELIKE, Fact, Maker, last_text, values
from atlas.language.items import Item

_Q = "(ROOT|DATA|FIRST|SECOND|THIRD|LAST|MORE|FULL|A|OF|BIG)"
_IS = "(COLON|OF|ON|A|TO|WITH|FILL|CHANGE|STARTING|SPECS|NUMBER)"
_LIST = "((COMMA|AND|COMMA AND|SLASH)? {})*"
_ADDRS = f"ADDR {_LIST.format('(ADDR|LASTPART)')}"
_PORTS = (
    f"(LISTENER)? (NUM|PORTPROTO) {_LIST.format('((PORT|LISTENER)? (NUM|PORTPROTO)|LISTENER OPENP NUM CLOSEP)')} (UDP)?"
)
_SERVICE = "(HTTP|HTTPS|LISTENER) (?! (OPENP)? NUM)"
_SOURCE = "((ONLY|COMMA)* (STARTING|FOR|OF|TO) (ONLY|A|NETWORK)* ADDR|ONLY (A|NETWORK)+ ADDR)?"
_GW_IS = "(COLON|ON|A|FILL|IP|TO|FOR ALL|FOR EACH|ALL)"

_AND_SIZES = "((AND|SLASH|COMMA|COMMA AND) (NUM|A|OF|STARTING|WITH)* SIZE (?! MEMORY))+"
_BOTH = "(PORT (AND|SLASH) UDP|UDP (AND|SLASH) PORT)"
_OFF = "((COLON)? (OFF|NO (?=COMMA|STOP|CLOSEP|$))|COLON NUM)?"
_OWN_SIZE = "(?! SIZE (?! (MEMORY|DISK|ROOT|DATA|SWAP|OF|MOUNT|MORE|FEWER|NUM|SIZE)))"  # `2g rootfs 16g`
_USED = "SIZE (FOR|AS) (A|FILL)* (ROOT|DATA) (DISK)?"
_REACHED = "(OPEN|PORT|A|FILL|FIREWALL|CHANGE|REACHABLE|STARTING|TO|ANYWHERE)*"
_ENDS = "(?=COMMA|STOP|CLOSEP|$)"
_ONTO = "(OPENP|CLOSEP|HOSTWORD|OF|A|HOST|NOUN|NODEWORD|STARTING|ON|TO|AS|FILL|IT|KIND|COLON|COMMA|WITH|FOR)*"
_RO = "((OPENP|COMMA|ON|WITH|AS)* READONLY (CLOSEP)?)?"
_STORED = "((ON|STARTING|OF) (A|STORAGE)* (WORD|QUOTED))?"
_OWN = "(A|OF|FILL|FOR|LOTS|SOME|NUMBER|IT)*"
_GROWS = "(MEMORY|CORES|(DATA|ROOT)? DISK)"

RULES: tuple[tuple[str, Maker], ...] = (
    # changes by so much, or by so many times
    (f"FACTOR {_OWN} {_GROWS} ((AND|COMMA) (A|FILL)* {_GROWS})*", relative.factor),
    (f"{_GROWS} (FILL|CHANGE|COLON)* FACTOR", relative.factor),
    ("(NUM MORE|MORE NUM) CORES", relative.growth),
    ("(SIZE MORE|MORE SIZE) (OF|A)* MEMORY", relative.growth),
    ("NUM FEWER CORES", relative.growth),
    ("SIZE FEWER (OF|A)* MEMORY", relative.growth),
    ("NUM CORES (MORE|FEWER)", relative.growth),
    ("SIZE (OF|A)* MEMORY (MORE|FEWER)", relative.growth),
    ("SIZE (MORE|FEWER) (?! (OF|A)* (DISK|DATA|ROOT|MOUNT|STORAGE))", relative.growth),
    (f"{_GROWS} (SIZE)? BY (SIZE|NUM)", relative.growth),
    ("SIZE (MORE)? TO (A|FILL)* (DATA|ROOT)? DISK", relative.growth),
    ("SIZE (MORE)? TO (A|FILL)* MEMORY", relative.growth),
    # size
    ("NUM SOCKETS (AND|COMMA|WITH|FILL|EACH)* (TIMES|NUM) CORES (EACH|FILL)* (SOCKETS)?", f.sockets),
    ("NUM SOCKETS", f.said("cpu.sockets", "NUM")),
    ("(NUM|VERSION) (FILL)? CORES", lambda i: [Fact("cpu.cores", f.whole(i[0].value))]),
    (f"CORES {_IS}* NUM", f.said("cpu.cores", "NUM")),
    ("TIMES CORES", f.said("cpu.cores", "TIMES")),
    ("CORES COLON (NOUN|WORD)", f.cpu_type_host),
    ("CORESHORT", f.said("cpu.cores", "CORESHORT")),
    ("(NO) SWAP", f.fixed("swap", 0)),
    (f"SWAP {_IS}? (SIZE|NUM)", lambda i: [Fact("swap", i[-1].value)]),
    ("(SIZE|NUM) (OF)? SWAP", lambda i: [Fact("swap", i[0].value)]),
    ("(NO|OFF) BALLOON", f.fixed("balloon", 0)),
    ("BALLOON (FILL|COLON)* (OFF|NO)", f.fixed("balloon", 0)),
    ("SWAP (COLON)? OFF", f.fixed("swap", 0)),
    ("FIREWALL (COLON)? OFF", f.fixed("firewall", False)),
    ("FIREWALL (OF|A|FILL)* RUNNING", f.fixed("firewall", True)),
    ("FIREWALL COLON NUM (?=COMMA|STOP|CLOSEP|$)", f.firewall),
    (f"BALLOON (MIN|FILL|{_IS})* SIZE", f.said("balloon", "SIZE")),
    ("MIN (MEMORY)? (OF|COLON)? SIZE (FILL|WITH|BALLOON|MEMORY|OF)*", f.said("balloon", "SIZE")),
    ("SIZE MIN (MEMORY)?", f.said("balloon", "SIZE")),
    ("(SIZE|NUM) (OF)? MEMORY", f.memory),
    ("MEMORY (FILL)? STARTING (NUM|SIZE) TO SIZE", lambda i: [Fact("memory", i[-1].value)]),
    ("CORES (FILL)? STARTING NUM (CORES)? TO NUM (CORES)?", lambda i: [Fact("cpu.cores", values(i, "NUM")[-1])]),
    (f"MEMORY {_IS}* (SIZE)", f.memory),
    ("MEMORY (COLON|SPECS|OF)* NUM", f.memory),
    # a page that has to answer
    ("(HTTP|HTTPS|FILL)* PATH (ON|PORT|FILL|A|COLON)* NUM (FILL|CHANGE)* ANSWER ((WITH|A|HTTP|FILL)* NUM)?", f.page),
    # mounts come before disks: a volume that is mounted is no disk
    (f"MOUNT (A|HOSTWORD|HOST|NOUN|NODEWORD|FILL|COLON|WORD)* PATH {_ONTO} PATH {_RO}", d.mount),
    (f"PATH COLON PATH {_RO}", d.mount),
    (f"(A|NUM|MORE|DATA)* DISK (OF|WITH|STARTING|A|COLON)* SIZE {_STORED} MOUNT {_ONTO} PATH {_STORED} {_RO}", d.mount),
    (f"PATH (HOSTWORD)? MOUNT (A|ON|AS|TO|READONLY)* PATH {_RO}", d.mount),
    (f"PATH (HOSTWORD|ON|TO|AS|A|FILL|OF|HOST|NOUN)* PATH MOUNT {_RO}", d.mount),
    (f"(A|DATA|MORE)* SIZE (A|OF)? (DATA)? (DISK)? {_STORED} (MOUNT)? (ON|A|TO|AS|FOR)+ PATH {_STORED}", d.mount),
    ("(A|DATA|MORE)* SIZE (A|OF)? (DATA)? (DISK)? MOUNT PATH", d.mount),
    (f"MOUNT (A|COLON|FILL)* PATH (OF|WITH|A|COMMA|COLON)* SIZE {_STORED}", d.mount),
    (f"MOUNT (A)? SIZE (A|OF|DATA|DISK)* {_STORED} (ON|TO|AS)? PATH", d.mount),
    (f"(A|HOSTWORD)* PATH (HOSTWORD|ON|A|NOUN|NODEWORD|MOUNT|FILL|CHANGE|TO|AS|FOR|OF)+ PATH {_RO}", d.mount),
    (f"PATH (COLON|OF|WITH)* SIZE {_STORED}", d.mount),
    ("(A|DATA|MORE)* DISK (OF|WITH)? SIZE ON (STORAGE)? (WORD|QUOTED) (ON|A|TO|AS|FOR|MOUNT)+ PATH", d.mount),
    # disks
    (f"(NUM DISK)? (COLON|OF|WITH|OPENP)* {_USED} ((COMMA|AND)+ {_USED})+", d.disks_by_use),
    ("NUM (DATA)? DISK (COMMA|COLON|OPENP|OF|WITH|A)+ SIZE ((AND|COMMA|SLASH) SIZE)+ (?! MEMORY)", d.disks),
    ("NUM (DATA)? DISK (COMMA|COLON|OPENP|OF|WITH|A)+ NUM ((COMMA|SLASH) NUM)* (AND|SLASH) SIZE", d.disks_of_one_unit),
    ("SIZE (AND SIZE)+ DISK", d.several_disks),
    (f"(NUM)? {_Q}* SIZE {_Q}* (DISK|ROOT) {_OWN_SIZE}", d.disks),
    (f"(NUM)? (DATA|MORE)* DISK (DATA|COLON|OPENP|NUM|{_IS})* SIZE {_AND_SIZES}", d.disks),
    (f"(NUM)? {_Q}* (DISK|ROOT) (DISK)? ((OF|FOR)? (DATA|ROOT|MORE))* {_IS}* (SIZE|OPENP SIZE CLOSEP)", d.disks),
    (f"{_Q}* (DISK) {_IS}* NUM", d.disks),
    ("DISKINDEX (COLON|OF|WITH|A|ON)* SIZE", d.numbered_disk),
    ("SIZE (OF|A)* STORAGE (?! (WORD|COLON|QUOTED|NETWORK))", d.disks),
    ("SIZE (FOR|OF) (A|FILL)* (DATA|ROOT)? DISK", d.disks),
    ("SIZE FOR (A|FILL)* MEMORY", f.memory),
    ("NUM FOR (A|FILL)* CORES", lambda i: [Fact("cpu.cores", i[0].value)]),
    ("(A|MORE)* SIZE (OF|FOR|BIG)? DATA (?! (DISK|MOUNT|NODEWORD|KIND|NOUN))", d.disks),
    ("(A)? DATA (WITH|OF|COLON)* SIZE (?! (DISK|ROOT|MOUNT))", d.disks),
    ("DATA DISK (COLON|OF|OPENP)* TIMES SIZE", d.many_disks),
    ("TIMES (DATA)? SIZE (DATA)? (DISK)?", d.many_disks),
    ("(NUM) (DISK)", d.counted_disks),
    ("(A|NUM)? (MORE|SECOND|THIRD|DATA)+ (DATA)? DISK", d.no_size),
    # placement
    ("(NO)? SPREAD (ON|A|ALL|NUM|OF|OUT|FILL|TO)* NODEWORD", f.feature("spread")),
    ("SPREAD", f.fixed("spread", True)),
    ("APART COLON WORD", lambda i: [Fact("node", i[-1].text)]),
    ("APART", f.fixed("apart", True)),
    ("(ON|A|ALL)* DIFFERENT (FILL)? (NODEWORD|NOUN)", f.fixed("apart", True)),
    (
        "(NO|NEVER) (FILL|IT|ALL|CHANGE|RUNNING|WITH|ANSWER|WORD|NUM|OF)* ON (A)? (SAME|FIRST) (FILL)? (NODEWORD|NOUN)",
        f.fixed("apart", True),
    ),
    ("(NO|NEVER) (FILL|IT|ALL)* SHARE (A|SAME|FILL)* (NODEWORD|NOUN)", f.fixed("apart", True)),
    (f"(ON)? (A)? NODEWORD (COLON|CHANGE|FILL CHANGE)? (?! (FILL)) {NAMELIKE}", f.name("node")),
    (f"(NO|OFF)? HA {_OFF}", f.feature("ha")),
    (f"POOL (COLON|NAMED)? {ANYWORD}", f.name("pool")),
    ("(ON|TO) A (WORD|ROLE|NAME) POOL", lambda i: [Fact("pool", i[-2].text)]),
    (
        "(FULL|LINKED) CLONE (OF|FOR|STARTING)* (A|KIND)* (TEMPLATE (VMID)?|VMID|KIND) (COLON)? NUM",
        lambda i: [Fact("clone", i[0].tag.lower()), Fact("template", i[-1].value)],
    ),
    (
        "(FULL|LINKED) CLONE (OF|STARTING|A)* NUM",
        lambda i: [Fact("clone", i[0].tag.lower()), Fact("template", i[-1].value)],
    ),
    ("CLONE (FULL|LINKED)", lambda i: [Fact("clone", i[1].tag.lower())]),
    ("(FULL|LINKED) CLONE", lambda i: [Fact("clone", i[0].tag.lower())]),
    ("(FULL|LINKED) (?=CLOSEP)", lambda i: [Fact("clone", i[0].tag.lower())]),
    ("NO (A)? (FULL|LINKED) (FILL|CLONE|NUM)", lambda _: []),
    ("TEMPLATE (VMID|COLON)* NUM", f.said("template", "NUM")),
    ("(STARTING|OF) (A)? (WORD|NAME|QUOTED) TEMPLATE", lambda i: [Fact("template", last_text(i[:-1]))]),
    (f"TEMPLATE (COLON|NAMED)? {NAMELIKE}", f.name("template")),
    ("(STARTING|WITH)? (A)? IMAGE (COLON)? (WORD|NAME|QUOTED)", f.name("image")),
    ("CLONE (OF|A|KIND)* TEMPLATE (VMID)? NUM (AS|A)* (FULL|LINKED)?", f.clone),
    ("CLONE (OF|STARTING)? (A)? (KIND|VMID)* NUM", f.said("template", "NUM")),
    ("VMID (COLON|FILL)? NUM ((COMMA|AND) NUM)*", lambda i: [Fact("vmid", values(i, "NUM"))]),
    ("VMID (COLON)? NUM (DASH|TO) NUM", lambda i: [Fact("vmid", list(range(i[-3].value, i[-1].value + 1)))]),
    # network
    ("NETWORK (COLON|FILL|IP)? PREFIXLEN", lambda i: [Fact("prefix", int(i[-1].value[1:]))]),
    ("NETWORK (COLON|FILL|IP)? ADDR", n.subnet),
    ("NETMASK (COLON|OF)? ADDR", n.netmask),
    ("NETMASK (COLON|OF|A)* NUM", lambda i: [Fact("prefix", i[-1].value)]),
    (f"{_ADDRS} (AS|FOR) (A)* DNS", lambda i: [Fact("dns", [str(v) for v in values(i, "ADDR")])]),
    ("ADDR (AS|FOR) (A)* GATEWAY", lambda i: n.gateway(i[:1])),
    ("NETMASK (COLON|OF)? PREFIXLEN", lambda i: [Fact("prefix", int(i[-1].value[1:]))]),
    ("NO (A|FILL)* GATEWAY", f.fixed("gateway", None)),
    ("GATEWAY NO", f.fixed("gateway", None)),
    (f"GATEWAY {_GW_IS}* (ADDR|LASTPART)", n.gateway),
    (f"DNS {_IS}? {_ADDRS}", lambda i: [Fact("dns", [str(v) for v in values(i, "ADDR")])]),
    (f"SEARCH {_IS}? (WORD|QUOTED|NAME|HTTP)", f.name("search")),
    (f"MTU {_IS}? NUM", f.said("mtu", "NUM")),
    ("(MAC)? (COLON)? MACADDR", lambda i: [Fact("mac", i[-1].value)]),
    ("(FIREWALLED)", f.fixed("firewall", True)),
    ("VLANNUM", f.said("vlan", "VLANNUM")),
    ("VLAN (FILL)? STARTING NUM TO NUM", lambda i: [Fact("vlan", i[-1].value)]),
    ("VLAN (VLAN|OPENP|COLON|VMID|NUMBER|FILL|OF|ON|TO|CHANGE)* NUM (CLOSEP)?", f.said("vlan", "NUM")),
    ("VLAN COMMA IT (FILL|CHANGE)* NUM", f.said("vlan", "NUM")),
    ("TAG NUM", f.said("vlan", "NUM")),
    ("(NO|REMOVE) (A|FILL)* VLAN", f.fixed("vlan", None)),
    ("REMOVE (A|FILL)* GATEWAY", f.fixed("gateway", None)),
    (f"REMOVE (A|FILL)* TAG {ANYWORD}", lambda i: [Fact("tags", last_text(i).lower(), "remove")]),
    ("(BRIDGE)? (COLON)? VMBR", lambda i: [Fact("bridge", i[-1].text)]),
    ("BRIDGE (COLON)? (WORD|NAME)", f.name("bridge")),
    ("NICINDEX", f.said("nic", "NICINDEX")),
    ("(A)? (FIRST) NIC", f.fixed("nic", 0)),
    ("(A)? (SECOND) NIC", f.fixed("nic", 1)),
    ("(A)? (THIRD) NIC", f.fixed("nic", 2)),
    ("NIC NUM", lambda i: [Fact("nic", max(0, int(i[-1].value) - 1))]),
    ("NO (A|FILL)* STATIC (IP)?", lambda _: []),
    ("NO (A|FILL)* IP (FILL|CHANGE)*", lambda _: []),
    ("NO DHCP", f.fixed("static", True)),
    ("DHCP", f.fixed("dhcp", True)),
    (
        "(STATIC|IP|COLON|A|STARTING|FILL IP)* ADDR (TO|DASH|A|AND STARTING) (ADDR|LASTPART|NUM) (PREFIXLEN)?",
        n.address_range,
    ),
    ("(STATIC)? (IP)? (RANGE)? STARTING (A|IP|COLON)* ADDR (PREFIXLEN)?", n.addresses),
    ("(STATIC|IP|COLON|A)* STARTING (A|IP|COLON|ON)* LASTPART", n.ends_from),
    ("FIRST (STATIC)? IP (A|ON|COLON|FILL)* ADDR (PREFIXLEN)?", n.addresses),
    ("(STATIC|IP|COLON|A)* ADDR (PREFIXLEN)? (COMMA|AND|FILL)* ONWARDS", n.addresses),
    ("ONLY ADDR ON (PORT)? NUM", n.ports),
    ("(OPEN|ONLY)* ADDR (FILL|MORE|CHANGE|TO|ONLY)* REACH (ON|PORT|A|TO)* NUM", n.ports),
    (f"(STATIC|IP|COLON|A|FILL IP)* {_ADDRS} (PREFIXLEN)?", n.addresses),
    ("(STATIC|IP|COLON|A)* LASTPART ((COMMA|AND|COMMA AND)? LASTPART)*", n.ends_only),
    ("NO (LASTPART|ADDR)", lambda _: []),
    ("PREFIXLEN", lambda i: [Fact("prefix", int(i[-1].value[1:]))]),
    ("STATIC (IP)?", f.fixed("static", True)),
    # access
    (
        f"NO {_REACHED} (COMMA)? EXCEPT (FOR|A|PORT|COLON)* {_PORTS}",
        n.ports,
    ),
    (f"NO (OPEN|PORT|A|FILL|FIREWALL)* (COMMA)? EXCEPT (FOR|A)* {_SERVICE}", n.services),
    (f"(ALL|A|FILL)* (PORT)? CLOSE (A|ALL|PORT)* (COMMA)? (EXCEPT|FILL) (FOR|A|PORT)* {_PORTS}", n.ports),
    (f"(CLOSE|NO OPEN) (A|FILL|PORT|COLON)* {_PORTS}", n.closed),
    (f"(REMOVE|NO) (A|OPEN|FILL|ALL)* PORT (COLON)? {_PORTS}", n.closed),
    ("(ALL|A|FILL)* PORT (FILL)* CLOSE", f.fixed("open_ports", [])),
    (
        f"NO (OPEN|FILL|A)* (PORT|FIREWALL OPEN|OPEN (TO|ON|STARTING)+ (A|ANYWHERE)+|OPEN {_ENDS}) (OPEN|FILL)*",
        f.fixed("open_ports", []),
    ),
    (f"{_SERVICE} ((COMMA|AND|SLASH|COMMA AND) {_SERVICE})* (FILL)* (OPEN|REACHABLE)", n.services),
    (f"OPEN (ONLY|A|PORT|UP|FILL)* {_SERVICE} ((COMMA|AND|SLASH|COMMA AND) {_SERVICE})*", n.services),
    (f"{_SERVICE} ((COMMA|AND|SLASH|COMMA AND) {_SERVICE})* (FILL|ONLY)* STARTING (ANYWHERE|ALL)", n.services),
    (f"{_SERVICE} ((COMMA|AND|SLASH|COMMA AND) {_SERVICE})* (FILL|ONLY)* STARTING (A|NETWORK)* ADDR", n.services),
    (f"LISTENER {_PORTS} (FILL|MORE|ALL|CHANGE)* (OPEN|REACHABLE) {_SOURCE}", n.ports),
    ("(HTTP|HTTPS) OPENP NUM CLOSEP (FILL)* OPEN", n.ports),
    (f"{_PORTS} (FILL|CHANGE|ONLY)* (OPEN|REACHABLE) {_SOURCE}", n.ports),
    ("ONLY? (PORT)? NUM ONLY? (STARTING|FOR) (A|NETWORK)* ADDR", n.ports),
    (f"(OPEN)? (PORT)? NUM (SLASH)? {_BOTH} (FILL)* (OPEN)?", n.both_protocols),
    ("(PORT AND UDP|UDP AND PORT) (PORT)? NUM (FILL)* OPEN", n.both_protocols),
    ("OPEN (A|FILL)* (PORT AND UDP|UDP AND PORT) (PORT)? NUM", n.both_protocols),
    ("OPEN (A|FILL)* (PORT|UDP)+ NUM ((COMMA|AND|COMMA AND) (PORT|UDP)+ NUM)+", n.protocols),
    ("(PORT|UDP)+ NUM ((COMMA|AND|COMMA AND) (PORT|UDP)+ NUM)+ (FILL)* OPEN", n.protocols),
    (f"(ONLY)? OPEN (ONLY|A|ALL|FILL|FIREWALL|ON|REACH|TO)* (PORT|UDP)* (COLON|UDP)* {_PORTS} {_SOURCE}", n.ports),
    (f"(UDP)? PORT (COLON|UDP)* {_PORTS} (FILL|MORE|ALL|CHANGE)* (OPEN|REACHABLE) {_SOURCE}", n.ports),
    ("(UDP)? PORT (COLON|UDP)* NUM (UDP)? (ONLY|FILL)* (STARTING|FOR) (ONLY|A|NETWORK)* ADDR", n.ports),
    (f"PORT (COLON)? {_PORTS} (ONLY|FILL)* (STARTING|FOR) (ONLY|A|NETWORK)* ADDR", n.ports),
    (f"{_PORTS} (FILL|CHANGE)* OPEN ON (A|NETWORK)* ADDR", n.ports_inside),
    ("(PORT)? NUM (FILL)* ONLY (TO|OF|FOR|STARTING) (A|NETWORK)* ADDR", n.ports),
    (f"UDP (PORT)? NUM {_LIST.format('NUM')} (FILL)* OPEN", n.ports),
    ("(PORTPROTO) (FILL)* OPEN", n.ports),
    (f"USER (USER|COLON|NAMED|A)* {ANYWORD}", f.name("user.name")),
    ("(WITH|A|FILL|KEYWORD|COLON)* KEY", lambda i: [Fact("ssh_keys", " ".join(i[-1].text.split()), "add")]),
    # features
    ("(NO|OFF) (FILL|IT|ALL|A|STARTING|CHANGE|TO)* ONBOOT", f.fixed("start.on_boot", False)),
    (f"ONBOOT {_OFF}", f.feature("start.on_boot")),
    ("ORDER (COLON|FILL)? NUM", f.said("start.order", "NUM")),
    (f"UNPRIVILEGED {_OFF}", f.feature("unprivileged")),
    (f"(NO)? (A)? PRIVILEGED {_OFF}", f.feature("unprivileged", value=False)),
    *(
        (f"(NO|OFF)? {tag} {_OFF}", f.feature(f"features.{field}"))
        for tag, field in (("NESTING", "nesting"), ("KEYCTL", "keyctl"), ("FUSE", "fuse"))
    ),
    ("NUM (DATA|MORE|NETWORK)* NIC", lambda _: []),  # how many there are follows from what is said of each
    (f"(NO|OFF)? UEFI {_OFF}", f.feature("efi")),
    (f"(NO|OFF)? SECUREBOOT {_OFF}", f.feature("secure_boot")),
    (f"(NO|OFF)? TPM (VERSION)? {_OFF}", f.feature("tpm")),
    ("Q35", f.fixed("machine", "q35")),
    (f"(NO|OFF)? NUMA {_OFF}", f.feature("numa")),
    ("AGENT", f.fixed("agent", True)),
    (f"(NO|OFF)? PROTECTION {_OFF}", f.feature("protection")),
    ("(SNAPSHOT)", f.fixed("snapshot", True)),
    ("(NO)? (DAILY|WEEKLY|MONTHLY)? BACKUP (FILL|COLON|OF|IT|ALL)? (DAILY|WEEKLY|MONTHLY)?", f.backup),
    ("CPUTYPE (COLON|FILL)? (NOUN|WORD)", f.cpu_type),
    ("CPUTYPE", f.cpu_type),
    ("(GPU)+ (A|FILL)? (GPUMODEL)+ (NUM|WORD)?", f.gpu),
    ("(GPU)+ (A|FILL)? (WORD) (NUM)?", f.gpu),
    ("(A|NOUN|FILL)* (GPUMODEL)+ (NUM)? (GPU)*", f.gpu),
    ("(A)? GPU", f.gpu),
    # what runs on it
    ("(NO|REMOVE) (A|FILL|INSTALL)* SWV", f.software),
    ("(STARTING)? OSV (FOR|TO|WITH|BY) OSV", lambda i: [Fact("image", i[-1].value)]),  # `swap debian for ubuntu`
    ("NO (NUM|SIZE) (?=COMMA|STOP|$)", f.not_that),
    ("NO (A)? KIND (?! (OPEN|PORT))", lambda _: []),  # `a vm, not a container`
    ("NO OSV", lambda _: []),  # `ubuntu instead of debian`
    ("(REPLACE|SWAP) (A)* SWV (FOR|TO|WITH|BY) (A)* SWV", f.replaced),
    ("OSV", lambda i: [Fact("image", i[0].value)]),
    ("SWV ((COMMA|AND|COMMA AND) WORD (?=(COMMA|AND|COMMA AND) SWV))+", f.listed_software),
    ("SWV (?! ON) (COMMA)? AND WORD (?=COMMA|STOP|CLOSEP|INSTALL|$)", f.listed_software),
    ("SWV SERVICE (FILL|CHANGE|TO)+ (RUNNING|ANSWER)", f.running),
    ("SWV (SERVICE)? FILL (FILL)* RUNNING (?! ON)", f.running),  # `nginx must be running`
    ("SWV", f.software),
    (f"FIREWALL (COLON|FILL|A|OPEN|FOR|TO)+ {_PORTS}", n.ports),
    ("INSTALL (COLON|FILL|A)* WORD", lambda i: [Fact("software", i[-1].low, "add")]),
)


def _packed(text: str) -> str:
    """Turn a pattern over tags into one over the tags' line, where a blank follows every tag."""
    return re.sub(r"\s+|([A-Z][A-Z0-9]*)", lambda m: f"(?:{m[1]}[ ])" if m[1] else "", text)


COMPILED = tuple((re.compile(_packed(text)), make) for text, make in RULES)


def match(items: Sequence[Item], line: str, offset: int, at: int) -> tuple[list[Fact], int] | None:
    """Return the facts of the first rule that fits at an item, and how many items it takes."""
    for rule, make in COMPILED:
        found = rule.match(line, offset)
        if found and found.end() > offset:
            taken = found.group().count(" ")
            if (facts := make(items[at : at + taken])) is not None:
                return facts, taken
    return None
