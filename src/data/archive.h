/* archive.h - class folders of JPEG and PNG in a tar or tar.gz. */
#ifndef CT_DATA_ARCHIVE_H
#define CT_DATA_ARCHIVE_H

#include "data/source.h"
#include "data/tar.h"

/* The set in an archive at its beginning, which the source then owns (also when this fails). With
 * nothing wanted the contents are not kept. */
csctrl_status ct_archive_parse(ct_source *source, ct_tar *tar, const ct_source_request *request);

#endif
