"""What any program needs: errors, files, options, progress, the machine."""
