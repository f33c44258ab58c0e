"""Words of which large amounts of demo data are made, so that searching them is like searching real ones."""

from __future__ import annotations

FIRST_NAMES = (
    *("Ada", "Agnes", "Alice", "Anna", "Arthur", "Astrid", "Bea", "Björn", "Bruno", "Carla", "Cecilia", "Clara", "Dario", "David", "Elin"),
    *("Emil", "Emma", "Eva", "Farid", "Felix", "Frida", "Georg", "Greta", "Hanna", "Hugo", "Ida", "Ilze", "Ines", "Ivan", "Jakob"),
    *("Jana", "Joana", "Jonas", "Karin", "Klara", "Lars", "Lea", "Leo", "Lucía", "Marek", "Maria", "Marta", "Mats", "Nadia", "Nils"),
    *("Nora", "Olga", "Oscar", "Paula", "Pavel", "Pietro", "Rosa", "Sara", "Sofia", "Stefan", "Tomás", "Vera", "Viktor", "Zofia", "Zoë"),
)
LAST_NAMES = (
    *("Almeida", "Andersen", "Bauer", "Berg", "Bianchi", "Blanc", "Conti", "Costa", "Dahl", "Duarte", "Dupont", "Eriksen", "Esposito"),
    *("Ferrari", "Fischer", "Garcia", "Greco", "Haddad", "Hansen", "Hoffmann", "Horvat", "Jansen", "Jensen", "Kaiser", "Keller", "Kovács"),
    *("Krüger", "Larsen", "Laurent", "Lehtonen", "Lindqvist", "Lopes", "Marino", "Martin", "Mendes", "Meyer", "Moe", "Moreau", "Müller"),
    *("Nagy", "Nielsen", "Novak", "Nowak", "O'Brien", "Olsen", "Pereira", "Petrov", "Ricci", "Rossi", "Sánchez", "Santos", "Schmidt"),
    *("Silva", "Svensson", "Szabó", "Virtanen", "Vogel", "Weber", "Wójcik", "Zeman"),
)
TRADES = (
    *("Antiques", "Bakery", "Books", "Café", "Ceramics", "Crafts", "Design", "Florist", "Furniture", "Gallery", "Gifts", "Hardware"),
    *(
        "Homeware",
        "Hotel",
        "Interiors",
        "Kitchen",
        "Lighting",
        "Market",
        "Outfitters",
        "Stationery",
        "Studio",
        "Tea Room",
        "Textiles",
        "Toys",
    ),
)
WHOLESALE = ("Trading", "Works", "Mills", "Foundry", "Imports", "Supply", "Pottery", "Weavers", "Joinery", "Wholesale")
PLACES = (
    *("Aarhus", "Antwerp", "Barcelona", "Basel", "Belgrade", "Bergen", "Bilbao", "Bologna", "Bratislava", "Bremen", "Brno", "Bruges"),
    *("Bucharest", "Budapest", "Cork", "Dresden", "Dublin", "Dundee", "Espoo", "Galway", "Gdańsk", "Geneva", "Ghent", "Gothenburg", "Graz"),
    *("Hamburg", "Helsinki", "Innsbruck", "Kaunas", "Kraków", "Leeds", "Leipzig", "Lille", "Linz", "Lisbon", "Ljubljana", "Łódź", "Lyon"),
    *(
        "Malmö",
        "Marseille",
        "Nantes",
        "Naples",
        "Odense",
        "Oslo",
        "Ostrava",
        "Oulu",
        "Padua",
        "Palermo",
        "Poznań",
        "Porto",
        "Riga",
        "Rouen",
    ),
    *("Salzburg", "Seville", "Sofia", "Split", "Tallinn", "Tampere", "Tartu", "Toulouse", "Trieste", "Turin", "Turku", "Uppsala"),
    *("Utrecht", "Valencia", "Verona", "Vilnius", "Warsaw", "York", "Zagreb", "Zürich"),
)
COLOURS = (
    *("amber", "aqua", "beige", "black", "blue", "brown", "charcoal", "copper", "coral", "cream", "emerald", "golden", "green", "grey"),
    *("indigo", "ivory", "lilac", "mint", "mustard", "navy", "ochre", "olive", "pink", "plum", "red", "rose", "silver", "teal", "white"),
)
MATERIALS = (
    *(
        "bamboo",
        "beech",
        "brass",
        "cast iron",
        "ceramic",
        "cork",
        "cotton",
        "enamel",
        "felt",
        "glass",
        "jute",
        "leather",
        "linen",
        "marble",
    ),
    *("oak", "paper", "porcelain", "rattan", "slate", "stainless steel", "stoneware", "terracotta", "tin", "walnut", "wicker", "wool"),
)
# What is sold, its category, and the price in cents that the cheapest of its kind is bought at.
GOODS = (
    *(("apron", "Textiles", 450), ("basket", "Storage", 600), ("blanket", "Textiles", 1900), ("bookend", "Stationery", 500)),
    *(("bottle", "Kitchen", 350), ("bowl", "Kitchen", 300), ("box", "Storage", 250), ("bread bin", "Kitchen", 1400)),
    *(("candle holder", "Decoration", 400), ("carafe", "Kitchen", 900), ("chair", "Furniture", 4500), ("clock", "Decoration", 1500)),
    *(("coaster set", "Kitchen", 200), ("coat hook", "Hardware", 150), ("cushion", "Textiles", 800), ("doormat", "Textiles", 700)),
    *(("doorstop", "Hardware", 300), ("drawer knob", "Hardware", 90), ("frame", "Decoration", 350), ("jar", "Kitchen", 200)),
    *(("jug", "Kitchen", 650), ("lamp", "Lighting", 2500), ("lantern", "Lighting", 1100), ("letter tray", "Stationery", 900)),
    *(("mirror", "Decoration", 2200), ("mug", "Kitchen", 250), ("napkin ring", "Kitchen", 80), ("notebook cover", "Stationery", 500)),
    *(("ornament", "Decoration", 120), ("pen pot", "Stationery", 250), ("planter", "Garden", 700), ("plate", "Kitchen", 280)),
    *(("ramekin", "Kitchen", 160), ("rug", "Textiles", 3900), ("shelf", "Furniture", 2900), ("stool", "Furniture", 2400)),
    *(("storage tin", "Storage", 220), ("table runner", "Textiles", 950), ("teapot", "Kitchen", 1300), ("toast rack", "Kitchen", 450)),
    *(("towel", "Textiles", 500), ("tray", "Kitchen", 750), ("trivet", "Kitchen", 300), ("umbrella stand", "Furniture", 1700)),
    *(("utensil pot", "Kitchen", 550), ("vase", "Decoration", 600), ("wall hook", "Hardware", 130), ("watering can", "Garden", 1200)),
    *(("wind chime", "Garden", 800), ("wreath", "Decoration", 900)),
)
SIZES = (
    "",
    ", small",
    ", medium",
    ", large",
    ", 12 cm",
    ", 20 cm",
    ", 30 cm",
    ", set of 2",
    ", set of 4",
    ", set of 6",
    ", 0.5 l",
    ", 1 l",
)
