package freshet.features;

/** The decayed share of events that have the value 1, not 0, pulled towards a prior of a weight. */
final class EwmaRate extends TwoSums {
    private final double prior;
    private final double weight;

    EwmaRate(long halfLife, double prior, double weight) {
        super(halfLife, halfLife);
        this.prior = prior;
        this.weight = weight;
    }

    @Override
    double second(double value) {
        return value;
    }

    @Override
    Object of(double events, double ones) {
        return events + weight == 0.0 ? null : (ones + weight * prior) / (events + weight);
    }
}
