package freshet.features;

/** The mean of the values, weighed by how old they are: decayed sum over decayed count; null while there is nothing. */
final class EwmaMean extends TwoSums {

    EwmaMean(long halfLife) {
        super(halfLife, halfLife);
    }

    @Override
    double second(double value) {
        return value;
    }

    @Override
    Object of(double count, double sum) {
        return count == 0.0 ? null : sum / count;
    }
}
