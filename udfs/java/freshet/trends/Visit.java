package freshet.trends;

/** An event of a user with an item, as one trend sees it; {@code context} is the basket that it belongs to, if any. */
final class Visit {
    final String item;
    final long time;
    final long position; // orders the events of one instant
    final double weight;
    final String context;

    Visit(String item, long time, long position, double weight, String context) {
        this.item = item;
        this.time = time;
        this.position = position;
        this.weight = weight;
        this.context = context;
    }

    boolean isAfter(Visit other) {
        return time > other.time || (time == other.time && position > other.position);
    }
}
