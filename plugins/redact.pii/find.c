/* SPDX-License-Identifier: MIT */
/* Each matcher answers how many bytes from a place on are of its kind.  It is
 * asked only where such a thing can begin, and reads no further than the longest
 * of its kind, or is asked once for each run of its characters: so a text is
 * searched in linear time. */
#include "find.h"

#include <arpa/inet.h>
#include <string.h>

#define LOCAL_MAX 256  /* bytes before the @; RFC 5321 has 64 */
#define DOMAIN_MAX 255 /* RFC 5321 */
#define IBAN_MAX 34
#define CARD_MIN 13
#define CARD_MAX 19
#define IP_MAX 45 /* an IPv6 address with an IPv4 one in it */
#define PHONE_MIN 8
#define PHONE_MAX 15

struct text {
    const char *p;
    size_t len;
};

static int
at(struct text t, size_t i)
{
    return i < t.len ? (unsigned char) t.p[i] : -1;
}

static int
is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int
is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Of which a word is made; above ASCII all count as letters. */
static int
is_word(int c)
{
    return is_digit(c) || is_letter(c) || c == '_' || c >= 0x80;
}

static int
upper(int c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

static int
lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static int
before(struct text t, size_t i)
{
    return i ? (unsigned char) t.p[i - 1] : -1;
}

/* --- email ----------------------------------------------------------------- */

static int
is_local(int c)
{
    return is_word(c) || c == '.' || c == '+' || c == '-' || c == '%'
           || c == '\'';
}

/* The bytes of an @, as it is or as a URL has it; or 0. */
static size_t
at_sign(struct text t, size_t i)
{
    return at(t, i) == '@'                                                 ? 1
           : at(t, i) == '%' && at(t, i + 1) == '4' && at(t, i + 2) == '0' ? 3
                                                                           : 0;
}

/* Up to the end of the last label that may be the last of a domain; 0: there is
 * none after a dot. */
static size_t
domain_end(struct text t, size_t from)
{
    size_t i = from, good = 0, label = from;
    int dots = 0, letters = 0;
    for (; i < t.len && i - from < DOMAIN_MAX; i++) {
        int c = at(t, i);
        if (c == '.') {
            if (i == label)
                break;
            dots++;
            letters = 0;
            label = i + 1;
        } else if (is_word(c) && c != '_') {
            letters += !is_digit(c);
            if (dots && letters >= 2 && !is_digit(at(t, label)))
                good = i + 1;
        } else if (c != '-' || i == label) {
            break;
        }
    }
    return good;
}

static size_t
email_at(struct text t, size_t i)
{
    size_t p = i, sign;
    if (is_local(before(t, i)) || !is_local(at(t, i)) || at(t, i) == '.')
        return 0;
    while (is_local(at(t, p)) && !at_sign(t, p) && p - i < LOCAL_MAX)
        p++;
    if (p == i || !(sign = at_sign(t, p)))
        return 0;
    size_t end = domain_end(t, p + sign);
    return end ? end - i : 0;
}

/* --- IBAN ------------------------------------------------------------------ */

/* Countries and their lengths, of the registry that SWIFT keeps. */
static const char iban_lengths[] =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27"
    "DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28"
    "IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22"
    "MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24"
    "SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

static size_t
iban_length(int a, int b)
{
    for (const char *p = iban_lengths; *p; p += 4)
        if (p[0] == a && p[1] == b)
            return (size_t) (p[2] - '0') * 10 + (size_t) (p[3] - '0');
    return 0;
}

/* The number that it stands for, the first four characters last, is 1 modulo
 * 97 (ISO/IEC 7064). */
static int
iban_sum_fits(const char *iban, size_t len)
{
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++) {
        int c = iban[(i + 4) % len];
        sum = is_digit(c) ? sum * 10 + (unsigned) (c - '0')
                          : sum * 100 + (unsigned) (c - 'A') + 10;
        sum %= 97;
    }
    return sum == 1;
}

static size_t
iban_at(struct text t, size_t i)
{
    char iban[IBAN_MAX];
    size_t p = i, n = 0;
    if (is_word(before(t, i)) || !is_letter(at(t, i))
        || !is_letter(at(t, i + 1)) || !is_digit(at(t, i + 2))
        || !is_digit(at(t, i + 3)))
        return 0;
    size_t want = iban_length(upper(at(t, i)), upper(at(t, i + 1)));
    while (n < want) {
        int c = at(t, p);
        if (c == ' ' && n && at(t, p - 1) != ' ') {
            p++;
            continue;
        }
        if (!is_digit(c) && !is_letter(c))
            return 0;
        iban[n++] = (char) upper(c);
        p++;
    }
    return want && !is_word(at(t, p)) && iban_sum_fits(iban, n) ? p - i : 0;
}

/* --- card ------------------------------------------------------------------ */

static int
luhn_fits(const char *digits, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned) (digits[n - 1 - i] - '0');
        if (i % 2)
            d = d > 4 ? 2 * d - 9 : 2 * d;
        sum += d;
    }
    return sum % 10 == 0;
}

/* Do cards begin so, and have so many digits? */
static int
is_issued(const char *digits, size_t n)
{
    int two = (digits[0] - '0') * 10 + digits[1] - '0';
    int four = two * 100 + (digits[2] - '0') * 10 + digits[3] - '0';
    if (digits[0] == '4') /* Visa */
        return n == 13 || n == 16 || n == 19;
    if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))
        return n == 16; /* Mastercard */
    if (two == 34 || two == 37)
        return n == 15; /* American Express */
    if (two == 30 || two == 36 || two == 38 || two == 39)
        return n >= 14; /* Diners Club */
    if (two == 35)
        return n >= 16; /* JCB */
    return digits[0] == '6' || two == 50 || (two >= 56 && two <= 58);
}

/* The longest that fits: what follows a number behind a blank may be another
 * one. */
static size_t
card_at(struct text t, size_t i)
{
    char digits[CARD_MAX];
    size_t p = i, n = 0, found = 0;
    int prior = before(t, i);
    if (!is_digit(at(t, i)) || is_word(prior) || prior == '.' || prior == '+')
        return 0;
    while (n < CARD_MAX && is_digit(at(t, p))) {
        digits[n++] = t.p[p++];
        int next = at(t, p);
        if (n >= CARD_MIN && !is_word(next) && is_issued(digits, n)
            && luhn_fits(digits, n))
            found = p - i;
        if ((next == ' ' || next == '-') && is_digit(at(t, p + 1)))
            p++;
    }
    return found;
}

/* --- IP -------------------------------------------------------------------- */

static int
is_address(int c)
{
    c = lower(c);
    return is_digit(c) || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
}

/* Family of a text that is an address, or 0. */
static int
address_family(const char *p, size_t len, unsigned char out[16])
{
    char text[IP_MAX + 1];
    if (len > IP_MAX)
        return 0;
    memcpy(text, p, len);
    text[len] = 0;
    return inet_pton(AF_INET, text, out) == 1    ? AF_INET
           : inet_pton(AF_INET6, text, out) == 1 ? AF_INET6
                                                 : 0;
}

static size_t
ip_at(struct text t, size_t i)
{
    unsigned char bytes[16];
    size_t len = 0, colons = 0;
    int prior = before(t, i);
    if (is_word(prior) || prior == '.' || prior == ':' || !is_address(at(t, i)))
        return 0;
    while (is_address(at(t, i + len)) && len <= IP_MAX)
        colons += at(t, i + len++) == ':';
    if (len > IP_MAX)
        return 0;
    /* A sentence may go on behind it, and a port stand there. */
    while (len && at(t, i + len - 1) == '.')
        len--;
    if (colons == 1)
        while (at(t, i + --len) != ':')
            ;
    else if (colons && at(t, i + len - 1) == ':'
             && (len < 2 || at(t, i + len - 2) != ':'))
        len--;
    return len && !is_word(at(t, i + len))
                   && address_family(t.p + i, len, bytes)
               ? len
               : 0;
}

/* --- phone ----------------------------------------------------------------- */

static int
is_between(int c)
{
    return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')';
}

/* +49 (0)30 123-456: digits, and up to two characters between them.  Behind 00
 * there are none: it is a number among numbers. */
static size_t
international_at(struct text t, size_t i)
{
    size_t p = i, n = 0, k;
    int plus = at(t, i) == '+';
    if (!plus && !(at(t, i) == '0' && at(t, i + 1) == '0'))
        return 0;
    size_t end = p += plus ? 1 : 2;
    if (at(t, p) == '0')
        return 0;
    while (is_digit(at(t, p)) && n <= PHONE_MAX) {
        n++;
        end = ++p;
        for (k = 0; plus && k < 2 && is_between(at(t, p + k)); k++)
            ;
        if (is_digit(at(t, p + k)))
            p += k;
    }
    return n >= PHONE_MIN && n <= PHONE_MAX && !is_word(at(t, end)) ? end - i
                                                                    : 0;
}

/* 'd' is a digit, '-' one of "-. ", ')' as it is with a blank that may follow. */
static size_t
fits_form(struct text t, size_t i, const char *form)
{
    size_t p = i;
    for (; *form; form++, p++) {
        int c = at(t, p);
        if (*form == 'd'   ? !is_digit(c)
            : *form == '-' ? c != '-' && c != '.' && c != ' '
                           : c != *form)
            return 0;
        if (*form == ')' && at(t, p + 1) == ' ')
            p++;
    }
    return is_word(at(t, p)) ? 0 : p - i;
}

static size_t
phone_at(struct text t, size_t i)
{
    static const char *const forms[] = { "ddd-ddd-dddd", "(ddd)ddd-dddd",
                                         "d-ddd-ddd-dddd" };
    int prior = before(t, i);
    if (is_word(prior) || prior == '+' || prior == '-' || prior == '.')
        return 0;
    size_t len = international_at(t, i);
    for (size_t k = 0; k < sizeof forms / sizeof *forms && !len; k++)
        len = fits_form(t, i, forms[k]);
    return len;
}

/* --- all of them ----------------------------------------------------------- */

/* In this order: what is two things is the first of them. */
static const struct {
    unsigned kind;
    size_t (*match)(struct text, size_t i);
} matchers[] = {
    { PII_EMAIL, email_at }, { PII_IBAN, iban_at },   { PII_CARD, card_at },
    { PII_IP, ip_at },       { PII_PHONE, phone_at },
};
#define MATCHERS (sizeof matchers / sizeof *matchers)

int
pii_find(unsigned kinds, const char *text, size_t len, size_t from,
         struct pii *out)
{
    const struct text t = { text, len };
    for (size_t i = from; i < len; i++)
        for (size_t k = 0; k < MATCHERS; k++) {
            size_t n = kinds & matchers[k].kind ? matchers[k].match(t, i) : 0;
            if (n) {
                *out = (struct pii){ matchers[k].kind, i, n };
                return 1;
            }
        }
    return 0;
}

unsigned
pii_whole(const char *text, size_t len)
{
    const struct text t = { text, len };
    for (size_t k = 0; k < MATCHERS && len; k++)
        if (matchers[k].match(t, 0) == len)
            return matchers[k].kind;
    return 0;
}

/* --- what is shown --------------------------------------------------------- */

static size_t
put(char *out, const char *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return len;
}

/* The name goes but for its first character, where it has some. */
static size_t
mask_email(const char *p, size_t len, char *out)
{
    const struct text t = { p, len };
    size_t sign = 0, first = 1, n = 0;
    while (!at_sign(t, sign))
        sign++;
    while ((at(t, first) & 0xC0) == 0x80)
        first++;
    if (sign >= first + 2)
        n = put(out, p, first);
    n += put(out + n, "***", 3);
    return n + put(out + n, p + sign, len - sign);
}

/* All digits and letters but the first and the last few; what stands between
 * them stays. */
static size_t
mask_but(const char *p, size_t len, size_t head, size_t tail, char *out)
{
    size_t count = 0, seen = 0;
    for (size_t i = 0; i < len; i++)
        count += is_digit(p[i]) || is_letter(p[i]);
    for (size_t i = 0; i < len; i++) {
        int counts = is_digit(p[i]) || is_letter(p[i]);
        int shown = !counts || seen < head || seen + tail >= count;
        out[i] = shown ? p[i] : '*';
        seen += (size_t) counts;
    }
    return len;
}

/* With the last 8 bits of an IPv4 address 0, or all but the first 48 of an IPv6
 * one; keep: all of it. */
static size_t
write_ip(const char *p, size_t len, int keep, char *out)
{
    unsigned char bytes[16];
    char text[INET6_ADDRSTRLEN];
    int family = address_family(p, len, bytes);
    if (!keep && family == AF_INET)
        bytes[3] = 0;
    else if (!keep)
        memset(bytes + 6, 0, 10);
    inet_ntop(family, bytes, text, sizeof text);
    return put(out, text, strlen(text));
}

size_t
pii_mask(unsigned kind, const char *text, size_t len, char *out)
{
    switch (kind) {
    case PII_EMAIL:
        return mask_email(text, len, out);
    case PII_IBAN:
        return mask_but(text, len, 2, 4, out);
    case PII_CARD:
        return mask_but(text, len, 0, 4, out);
    case PII_IP:
        return write_ip(text, len, 0, out);
    default:
        return mask_but(text, len, 0, 2, out);
    }
}

static size_t
plain_email(const char *p, size_t len, char *out)
{
    const struct text t = { p, len };
    size_t n = 0;
    for (size_t i = 0, sign; i < len; i += sign ? sign : 1) {
        sign = at_sign(t, i);
        out[n++] = sign ? '@' : (char) lower((unsigned char) p[i]);
    }
    return n;
}

/* Digits and letters alone, the latter in upper case; 00 before a number is
 * a +. */
static size_t
plain_code(const char *p, size_t len, int number, char *out)
{
    size_t n = 0, i = 0;
    if (number && (p[0] == '+' || (p[0] == '0' && p[1] == '0'))) {
        out[n++] = '+';
        i = p[0] == '+' ? 1 : 2;
    }
    for (; i < len; i++)
        if (is_digit(p[i]) || is_letter(p[i]))
            out[n++] = (char) upper(p[i]);
    return n;
}

size_t
pii_plain(unsigned kind, const char *text, size_t len, char *out)
{
    switch (kind) {
    case PII_EMAIL:
        return plain_email(text, len, out);
    case PII_IP:
        return write_ip(text, len, 1, out);
    default:
        return plain_code(text, len, kind == PII_PHONE, out);
    }
}
