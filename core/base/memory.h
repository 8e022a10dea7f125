/* SPDX-License-Identifier: MIT */
/* Memory that nobody needs any more. */
#ifndef MEMORY_H
#define MEMORY_H

/* Give the kernel back what was freed.  Any thread; takes some milliseconds where
 * much was, so for who has come to rest. */
void memory_give_back(void);

#endif
