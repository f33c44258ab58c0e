"""Where demo data get their names from; the n-th is always the same."""

from __future__ import annotations

CITIES = ("Hamburg", "Lyon", "Porto", "Graz", "Ghent", "Turin", "Aarhus", "Cork", "Bergen", "Brno")
STREETS = ("Harbour Street", "Mill Lane", "Station Road", "Market Square", "Garden Row", "Bridge Street", "Kiln Lane")
PEOPLE = (
    "Ada Lindqvist",
    "Bruno Keller",
    "Carla Mendes",
    "Dario Conti",
    "Elin Moe",
    "Farid Haddad",
    "Greta Novak",
    "Hugo Laurent",
    "Ines Duarte",
)
SUPPLIERS = ("Northwind Ceramics", "Alder & Sons Woodware", "Bluebell Textiles", "Copperfield Metalworks", "Dovetail Stationery")
CUSTOMERS = (
    "Corner Gift Shop",
    "Hotel Linden",
    "The Tea Room",
    "Miller's Homeware",
    "Studio Fjord",
    "Old Town Books",
    "Green Door Café",
    "School of Crafts",
)
GOODS = (
    ("Stoneware mug", "Kitchen", 4.20, 9.50),
    ("Oak serving board", "Kitchen", 11.00, 24.90),
    ("Linen tea towel", "Textiles", 3.10, 7.90),
    ("Wool blanket", "Textiles", 28.00, 59.00),
    ("Brass candle holder", "Decoration", 6.40, 14.50),
    ("Beeswax candle", "Decoration", 2.20, 5.40),
    ("Dotted notebook", "Stationery", 2.80, 6.90),
    ("Fountain pen", "Stationery", 9.90, 21.00),
    ("Wire fruit basket", "Kitchen", 7.50, 17.90),
    ("Cotton tote bag", "Textiles", 1.90, 4.90),
    ("Ceramic vase", "Decoration", 8.80, 19.50),
    ("Gift wrap, 5 sheets", "Stationery", 1.20, 3.50),
)


def nth(names: tuple[str, ...], number: int) -> str:
    """The n-th name; with a number behind it once there are more than names."""
    round_, index = divmod(number, len(names))
    return names[index] if round_ == 0 else f"{names[index]} {round_ + 1}"
