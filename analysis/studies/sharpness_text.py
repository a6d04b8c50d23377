def shown(t): return None
def text(t): return ""
