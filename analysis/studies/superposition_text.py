def text(*a): return ""
def shown(*a): return None
CROSSING = "n at equal odds"; DESCENT="descends to "; ENDS="chains that end in"; MOVED="moves between hexagon and pentagon"; ODDS="log odds, 6-gon over any 5-gon"
