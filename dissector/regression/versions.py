def excuse_for(capture, tshark, options):
    return None
