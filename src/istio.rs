//! The vocabulary: versions, flavours, tags, hubs, and the matrix of what fits what. No IO.
