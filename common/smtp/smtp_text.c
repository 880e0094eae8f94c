/* smtp_text.c - small looks at words of a command line (contract: smtp_path.h). */
#include "smtp_path.h"

bool text_is(struct span text, const char *word)
{
    size_t i = 0;

    for (; i < text.len && word[i] != '\0'; i++) {
        uint8_t c = text.ptr[i];

        if (c >= 'a' && c <= 'z')
            c = (uint8_t)(c - 'a' + 'A');
        if (c != (uint8_t)word[i])
            return false;
    }
    return i == text.len && word[i] == '\0';
}

struct span text_trim_left(struct span text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = span_skip(text, 1);
    return text;
}

/* Length of the sequence a lead byte opens (RFC 3629 s4), 0: not a lead byte. */
static unsigned sequence_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

bool text_utf8_valid(struct span text)
{
    while (text.len > 0) {
        unsigned n = sequence_length(text.ptr[0]);
        uint8_t lead = text.ptr[0];

        if (n == 0 || n > text.len)
            return false;
        for (unsigned i = 1; i < n; i++) {
            if ((text.ptr[i] & 0xc0) != 0x80)
                return false;
        }
        /* Overlong forms, surrogates, beyond U+10FFFF. */
        if ((lead == 0xe0 && text.ptr[1] < 0xa0) || (lead == 0xed && text.ptr[1] > 0x9f) ||
            (lead == 0xf0 && text.ptr[1] < 0x90) || (lead == 0xf4 && text.ptr[1] > 0x8f))
            return false;
        text = span_skip(text, n);
    }
    return true;
}
