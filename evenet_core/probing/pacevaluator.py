"""Evaluates one PAC file in a process of its own: no network, no privileges, little memory and time.

Reads a line of JSON (`pac`, `url`, `host`, `own`), answers with one (`answer` or `error`). In between it may ask for
names (`resolve`), one at a time. It imports nothing of evenet: what it runs is untrusted code from the network.
"""

import ctypes
import json
import os
import resource
import sys

HEAP, STACK = 32 << 20, 256 << 10  # bytes for the script
ADDRESS_SPACE = 512 << 20
CPU = 1  # seconds
NOBODY, CLONE_NEWNET = 65534, 0x40000000
LONGEST = 4096  # characters of an answer
DAYS, MONTHS = "SUN MON TUE WED THU FRI SAT", "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
# The functions that every PAC file may use (Netscape, 1996), in our own words.
HELPERS = """
function isPlainHostName(host) { return host.indexOf('.') < 0; }
function dnsDomainIs(host, domain) { return host.length >= domain.length && host.endsWith(domain); }
function localHostOrDomainIs(host, full) {
  return host === full || (host.indexOf('.') < 0 && full.startsWith(host + '.'));
}
function dnsDomainLevels(host) { return host.split('.').length - 1; }
function isResolvable(host) { return dnsResolve(host) !== null; }
function dnsResolve(host) { const found = __resolve(String(host)); return found === '' ? null : found.split(';')[0]; }
function dnsResolveEx(host) { return __resolve(String(host)); }
function isResolvableEx(host) { return dnsResolveEx(host) !== ''; }
function myIpAddress() { return __own.split(';')[0] || '127.0.0.1'; }
function myIpAddressEx() { return __own; }
function alert() {}
function convert_addr(text) {
  const parts = String(text).split('.').map(Number);
  if (parts.length !== 4 || parts.some(p => !(p >= 0 && p <= 255))) return null;
  return ((parts[0] << 24) | (parts[1] << 16) | (parts[2] << 8) | parts[3]) >>> 0;
}
function isInNet(host, pattern, mask) {
  let address = convert_addr(host);
  if (address === null) { const found = dnsResolve(host); address = found === null ? null : convert_addr(found); }
  const net = convert_addr(pattern), bits = convert_addr(mask);
  return address !== null && net !== null && bits !== null && ((address & bits) >>> 0) === ((net & bits) >>> 0);
}
function shExpMatch(text, pattern) {
  const quoted = String(pattern).replace(/[.+^${}()|[\\]\\\\]/g, '\\\\$&').replace(/\\*/g, '.*').replace(/\\?/g, '.');
  return new RegExp('^' + quoted + '$').test(String(text));
}
function __now(args) {
  const utc = args[args.length - 1] === 'GMT', d = new Date();
  const get = name => utc ? d['getUTC' + name]() : d['get' + name]();
  return { args: utc ? args.slice(0, -1) : args, day: get('Day'), date: get('Date'), month: get('Month'),
           year: get('FullYear'), seconds: (get('Hours') * 60 + get('Minutes')) * 60 + get('Seconds') };
}
function __within(value, from, to) { return from <= to ? value >= from && value <= to : value >= from || value <= to; }
function weekdayRange(...given) {
  const now = __now(given), days = 'DAYS'.split(' '), at = now.args.map(d => days.indexOf(String(d).toUpperCase()));
  return at.every(d => d >= 0) && at.length > 0 && __within(now.day, at[0], at[at.length - 1]);
}
function timeRange(...given) {
  const now = __now(given), a = now.args.map(Number);
  if (a.some(isNaN)) return false;
  const hours = Math.floor(now.seconds / 3600), at = (h, m, s) => (h * 60 + m) * 60 + s;
  if (a.length === 1) return hours === a[0];
  if (a.length === 2) return __within(hours, a[0], a[1]) && (hours !== a[1] || a[0] === a[1]);
  if (a.length === 4) return __within(now.seconds, at(a[0], a[1], 0), at(a[2], a[3], 0));
  return a.length === 6 && __within(now.seconds, at(a[0], a[1], a[2]), at(a[3], a[4], a[5]));
}
function dateRange(...given) {
  const now = __now(given), months = 'MONTHS'.split(' '), a = now.args;
  const kind = v => months.includes(String(v).toUpperCase()) ? 'month' : Number(v) > 31 ? 'year' : 'date';
  const value = v => kind(v) === 'month' ? months.indexOf(String(v).toUpperCase()) : Number(v);
  const order = { year: 372, month: 31, date: 1 };
  const part = list => list.reduce((sum, v) => sum + order[kind(v)] * value(v), 0);
  const mine = list => list.reduce((sum, v) => sum + order[kind(v)] * now[kind(v)], 0);
  const half = a.length / 2;
  if (a.length === 0 || a.length > 6) return false;
  if (a.length % 2 === 1 || (a.length === 2 && kind(a[0]) !== kind(a[1]))) return mine(a) === part(a);
  return __within(mine(a.slice(0, half)), part(a.slice(0, half)), part(a.slice(half)));
}
""".replace("DAYS", DAYS).replace("MONTHS", MONTHS)


def main() -> None:
    given = json.loads(sys.stdin.readline())
    import quickjs  # noqa: PLC0415  before nothing can be opened any more

    confine()
    context = quickjs.Context()
    context.set_memory_limit(HEAP)
    context.set_max_stack_size(STACK)
    context.add_callable("__resolve", resolve)
    context.set("__own", given["own"])
    try:
        context.eval(HELPERS)
        context.eval(given["pac"])
        find = context.get("FindProxyForURL")
        if find is None:
            raise ValueError("there is no function FindProxyForURL")
        answer = find(given["url"], given["host"])
        told = {"answer": answer} if isinstance(answer, str) and len(answer) <= LONGEST else {"error": "no text"}
    except Exception as error:
        told = {"error": " ".join(str(error).split())[:200] or type(error).__name__}
    say(told)


def confine() -> None:
    """Whatever the script does from now on, it does alone."""
    libc = ctypes.CDLL(None)
    for limit, value in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    if os.geteuid() == 0:
        if libc.unshare(CLONE_NEWNET):
            raise OSError("it cannot be kept from the network")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def resolve(name: str) -> str:
    """Addresses of a name, with semicolons between them."""
    say({"resolve": name[:LONGEST]})
    return str(json.loads(sys.stdin.readline())["addresses"])


def say(what: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
