/* base_must.h - what must hold unless we wrote a bug.
 *
 * must() is always on; must_hot() only where MUST_HOT is defined (debug, CI, simulation).
 * Never used on anything a peer, a file or another process can influence.
 */
#ifndef BASE_MUST_H
#define BASE_MUST_H

/* Prints "file:line: must: text" to stderr and aborts. */
_Noreturn void must_fail(const char *file, int line, const char *text);

#define must(cond) ((cond) ? (void)0 : must_fail(__FILE__, __LINE__, #cond))

#ifdef MUST_HOT
#define must_hot(cond) must(cond)
#else
#define must_hot(cond) ((void)sizeof(!(cond)))
#endif

#endif
