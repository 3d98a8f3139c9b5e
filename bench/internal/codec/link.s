// This file is empty. It lets the compiler accept functions without bodies, which the linker finds in memberlist.
