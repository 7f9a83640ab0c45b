"""What a GPU does with models of real size, drawn at random: nothing is downloaded, and nothing is learnt."""
