package freshet.trends;

/** What tests ask of this package without Flink. */
public final class TrendTrial {
    private TrendTrial() {}

    /** Returns the key of a row in the store. */
    public static String rowKey(String name, String key) {
        return Put.rowKey(name, key);
    }
}
