// What every process of tunesmith does first, so that what it holds does not end up in files that
// others read.
#pragma once

namespace tunesmith {

// Files that this process and its children make are the owner's alone (umask 077). Unless
// `allow_core_dumps`: no core dumps, of its children neither, and other processes of the same user
// may not look into its memory (prctl(2), PR_SET_DUMPABLE). Nothing of it can fail in a way that
// matters: what a kernel does not know it does not do.
void harden_process(bool allow_core_dumps);

// TUNESMITH_ALLOW_CORE_DUMPS is "1": the operator's word.
bool core_dumps_allowed();

}  // namespace tunesmith
