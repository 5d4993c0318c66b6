// tuning.input.volumeSource, hostPath: which data files lie there now, and can they be learnt from.
#pragma once

#include <string>
#include <vector>

#include "planner/data_probe.h"
#include "planner/other_data.h"
#include "planner/retries.h"
#include "runtime/result.h"

namespace tunesmith::planner {

// `path`: a file, or a folder whose data files are taken, sorted by path: those that end in
// .parquet, .jsonl, .ndjson, .json or .csv in any letter case; names that begin with a dot and
// links are left out. It must lie in one of the folders of tools.allowed_data_paths, links
// followed. Every file is read whole for its digest. Permanent `VolumePathNotAllowed`,
// `VolumeNotFound`, `VolumeHasNoDataFile`, `VolumeTooLarge` (over 10,000 files), `MixedLayouts`,
// and what probe() gives.
Result<OtherData> look_into_volume(const std::string& path, const ProbeTools& tools,
                                   const Patience& patience);

}  // namespace tunesmith::planner
