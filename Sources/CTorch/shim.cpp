#include "CTorch.h"
