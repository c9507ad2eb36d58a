# make install, uninstall.
