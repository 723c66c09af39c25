/* ref_table.c - the whole table. */
#include "backend/ref/ref.h"

void REF(fill)(ct_ops *ops)
{
    REF(fill_memory)(ops);
    REF(fill_conv)(ops);
    REF(fill_csc)(ops);
    REF(fill_norm)(ops);
    REF(fill_elementwise)(ops);
    REF(fill_rate)(ops);
    REF(fill_optim)(ops);
}
