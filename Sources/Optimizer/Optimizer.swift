// placeholder removed once the room holds something
