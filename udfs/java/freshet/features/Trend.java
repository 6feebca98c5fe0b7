package freshet.features;

/**
 * The recent rate over the usual rate.
 *
 * <p>Each decayed sum divided by its half-life is a rate, so a steady stream gives 1 and the most that a burst can give is
 * long / short. 0 before the first value.
 */
final class Trend extends TwoSums {
    private final double shortHalfLife;
    private final double longHalfLife;

    Trend(long shortHalfLife, long longHalfLife) {
        super(shortHalfLife, longHalfLife);
        this.shortHalfLife = shortHalfLife;
        this.longHalfLife = longHalfLife;
    }

    @Override
    double second(double value) {
        return 1.0;
    }

    @Override
    Object of(double recent, double usual) {
        // A sum on its way to zero may still be a number when its rate no longer is one: 0 / 0 is no trend either.
        double usually = usual / longHalfLife;
        return usually == 0.0 ? 0.0 : recent / shortHalfLife / usually;
    }
}
