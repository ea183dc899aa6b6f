// Linking the module is all that is used of it.
