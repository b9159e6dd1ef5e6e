// See context.h: ProcessGroupGloo.hpp includes this file and needs nothing of it.
