"""What may stand in a part's place: dynamics, a decoder, a whole model that know less."""
